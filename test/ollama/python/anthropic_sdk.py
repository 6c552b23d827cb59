"""The anthropic package: messages and their tokens."""

from anthropic import Anthropic

from cases import LONG, TIME, WEATHER, abandoned, case, key, raised, requests_made, run, url, weather

client = Anthropic(base_url=url, api_key=key, max_retries=0)
HI = [{"role": "user", "content": "hi"}]
TOOLS = [
    {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}
    for tool in (WEATHER, TIME)
]


def plain(model="scripted-plain", max_tokens=400, messages=HI, **rest):
    return {"model": model, "max_tokens": max_tokens, "messages": messages, **rest}


@case
def message():
    answer = client.messages.create(**plain("scripted-utf8", system="Be kind."))
    return {
        "text": [block.text for block in answer.content],
        "stop": [answer.stop_reason, answer.stop_sequence],
        "is": [answer.type, answer.role, answer.model, answer.id.startswith("msg_")],
        "counted": answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0,
    }


@case
def message_limit():
    answer = client.messages.create(**plain(max_tokens=4))
    return [answer.content[0].text, answer.stop_reason, answer.usage.output_tokens]


@case
def message_auth_token():
    bearer = Anthropic(base_url=url, auth_token=key, max_retries=0)
    return bearer.messages.create(**plain()).content[0].text


@case
def stream_text():
    with client.messages.stream(**plain("scripted-utf8")) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()
    return {
        "text": "".join(texts),
        "in pieces": len(texts) > 20,
        "final": [block.text for block in final.content],
        "stop": final.stop_reason,
        "counted": final.usage.input_tokens > 0 and final.usage.output_tokens > 0,
    }


@case
def stream_events():
    events = list(client.messages.create(**plain("scripted-think", stream=True)))
    types = [event.type for event in events]
    return {
        "types": [each for place, each in enumerate(types) if types[place - 1 : place] != [each]],
        "blocks": [event.content_block.type for event in events if event.type == "content_block_start"],
        "stop": [event.delta.stop_reason for event in events if event.type == "message_delta"],
    }


@case
def thinking():
    body = plain("scripted-think", 4000, thinking={"type": "enabled", "budget_tokens": 2000})
    answer = client.messages.create(**body)
    with client.messages.stream(**body) as stream:
        final = stream.get_final_message()
    again = client.messages.create(
        **{**body, "messages": [*HI, {"role": "assistant", "content": answer.content}, *HI]}
    )
    return [
        [
            [block.type, getattr(block, "thinking", None) or getattr(block, "text", None)]
            + [bool(block.signature) for _ in [0] if block.type == "thinking"]
            for block in each.content
        ]
        for each in (answer, final, again)
    ]


@case
def tools_loop():
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.messages.create(**plain("scripted-tools", messages=messages, tools=TOOLS))
    uses = [block for block in first.content if block.type == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": use.id, "content": weather(**use.input)} for use in uses]
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    second = client.messages.create(**plain("scripted-tools", messages=messages, tools=TOOLS))
    return {
        "uses": [[use.name, use.input] for use in uses],
        "stop": [first.stop_reason, second.stop_reason],
        "text": second.content[0].text,
    }


@case
def tools_stream():
    with client.messages.stream(**plain("scripted-tools-parallel", tools=TOOLS)) as stream:
        final = stream.get_final_message()
    return {
        "uses": [[use.name, use.input] for use in final.content],
        "ids": len({use.id for use in final.content}),
        "stop": final.stop_reason,
    }


@case
def tool_choice():
    none = client.messages.create(**plain("scripted-tools", tools=TOOLS, tool_choice={"type": "none"}))
    return [[block.type for block in none.content], none.stop_reason]


@case
def stop_sequences():
    body = plain("scripted-plain", stop_sequences=["nowhere", " Ollama", "server"])
    answer = client.messages.create(**body)
    with client.messages.stream(**body) as stream:
        final = stream.get_final_message()
    return [[each.content[0].text, each.stop_reason, each.stop_sequence] for each in (answer, final)]


@case
def count_tokens():
    # Otherwise it is counted by what earlier prompts had.
    exact = {"x-llamaduct-exact": "true"}
    short = client.messages.count_tokens(model="scripted-plain", messages=HI, extra_headers=exact)
    long = client.messages.count_tokens(model="scripted-plain", messages=HI, system="Be kind. " * 8, extra_headers=exact)
    answer = client.messages.create(**plain())
    return {"same": short.input_tokens == answer.usage.input_tokens, "more": long.input_tokens > short.input_tokens}


@case
def abort():
    def opened():
        stream = client.messages.create(**plain(LONG, 1_000_000, stream=True))
        texts = (event for event in stream if event.type == "content_block_delta")
        return texts, stream.close

    return abandoned(opened)


def failure(call):
    error = raised(call, "status_code", "body")
    body = error["body"]
    return [error["class"], error["status_code"], body["type"], body["error"]["type"], body["error"]["message"]]


@case
def error_key():
    strangers = [
        Anthropic(base_url=url, api_key="ld-not-a-key", max_retries=0),
        Anthropic(base_url=url, auth_token="ld-not-a-key", max_retries=0),
    ]
    return [failure(lambda stranger=stranger: stranger.messages.create(**plain())) for stranger in strangers]


@case
def error_model():
    return [
        failure(lambda: client.messages.create(**plain("llama-of-nowhere"))),
        failure(lambda: client.messages.create(**plain("llama-of-nowhere", stream=True))),
        failure(lambda: client.messages.count_tokens(model="llama-of-nowhere", messages=HI)),
    ]


@case
def error_request():
    return [
        failure(lambda: client.messages.create(**plain(messages="hi"))),
        failure(lambda: client.messages.create(**plain(extra_body={"temperature": "warm"}))),
    ]


@case
def error_broken():
    return failure(lambda: client.messages.create(**plain("scripted-broken")))


@case
def retries():
    # The package retries twice by default, unless x-should-retry says that it is useless.
    retrying = Anthropic(base_url=url, api_key=key)
    return {
        model: requests_made(lambda: retrying.messages.create(**plain(model, 4000)))
        for model in ("scripted-broken", "scripted-repeat", "llama-of-nowhere")
    }


@case
def error_midway():
    texts = []

    def read():
        with client.messages.stream(**plain("scripted-repeat", 4000)) as stream:
            texts.extend(stream.text_stream)

    return {"error": failure(read), "began": "".join(texts).strip().startswith("ha")}


run()
