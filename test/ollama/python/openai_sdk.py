"""The openai package: chat completions, responses, models, embeddings."""

import json

from openai import OpenAI
from pydantic import BaseModel

from cases import LONG, TIME, WEATHER, abandoned, case, key, raised, requests_made, run, url, weather

client = OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
HI = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": WEATHER}, {"type": "function", "function": TIME}]
FLAT_TOOLS = [{"type": "function", "strict": False, **tool} for tool in (WEATHER, TIME)]


class Person(BaseModel):
    name: str
    age: int
    tags: list[str]
    note: str


def failure(call):
    error = raised(call, "status_code", "code", "param", "type", "body")
    return [error["class"], *(error[name] for name in ("status_code", "type", "code", "param")), error["body"]["message"]]


@case
def chat():
    answer = client.chat.completions.create(model="scripted-utf8", messages=HI)
    choice, usage = answer.choices[0], answer.usage
    return {
        "text": choice.message.content,
        "finish": choice.finish_reason,
        "model": answer.model,
        "counted": usage.prompt_tokens > 0 and usage.completion_tokens > 0,
        "total": usage.total_tokens - usage.prompt_tokens - usage.completion_tokens,
    }


@case
def chat_limit():
    answer = client.chat.completions.create(model="scripted-plain", messages=HI, max_completion_tokens=4)
    return [answer.choices[0].message.content, answer.choices[0].finish_reason, answer.usage.completion_tokens]


@case
def chat_stream():
    chunks = list(
        client.chat.completions.create(
            model="scripted-utf8", messages=HI, stream=True, stream_options={"include_usage": True}
        )
    )
    choices = [choice for chunk in chunks for choice in chunk.choices]
    return {
        "text": "".join(choice.delta.content or "" for choice in choices),
        "finish": [choice.finish_reason for choice in choices if choice.finish_reason],
        "in pieces": len(chunks) > 20,
        "one id": len({chunk.id for chunk in chunks}) == 1,
        "counted": chunks[-1].usage.completion_tokens > 0,
    }


@case
def chat_thinking():
    chunks = client.chat.completions.create(model="scripted-think", messages=HI, stream=True)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    return {
        "thinking": "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas),
        "text": "".join(delta.content or "" for delta in deltas),
    }


@case
def chat_tools_loop():
    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.chat.completions.create(model="scripted-tools", messages=messages, tools=TOOLS)
    message = first.choices[0].message
    messages.append(message)
    for call in message.tool_calls:
        result = weather(**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    second = client.chat.completions.create(model="scripted-tools", messages=messages, tools=TOOLS)
    return {
        "finish": [answer.choices[0].finish_reason for answer in (first, second)],
        "calls": [[call.type, call.function.name, json.loads(call.function.arguments)] for call in message.tool_calls],
        "text": second.choices[0].message.content,
    }


@case
def chat_tools_stream():
    with client.chat.completions.stream(model="scripted-tools-parallel", messages=HI, tools=TOOLS) as stream:
        for _ in stream:
            pass
        choice = stream.get_final_completion().choices[0]
    calls = choice.message.tool_calls
    return {
        "finish": choice.finish_reason,
        "calls": [[call.function.name, json.loads(call.function.arguments)] for call in calls],
        "ids": len({call.id for call in calls}),
    }


@case
def chat_parse():
    answer = client.chat.completions.parse(model="scripted-json", messages=HI, response_format=Person)
    return answer.choices[0].message.parsed.model_dump()


@case
def chat_abort():
    def opened():
        stream = client.chat.completions.create(model=LONG, messages=HI, stream=True)
        return stream, stream.close

    return abandoned(opened)


@case
def responses():
    answer = client.responses.create(model="scripted-think", input="hi", instructions="Be kind.")
    return {
        "status": answer.status,
        "text": answer.output_text,
        "items": [item.type for item in answer.output],
        "id": answer.id.startswith("resp_"),
        "counted": answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0,
    }


@case
def responses_limit():
    answer = client.responses.create(model="scripted-plain", input="hi", max_output_tokens=16)
    return [answer.status, answer.incomplete_details.reason, answer.usage.output_tokens]


@case
def responses_stream():
    events = list(client.responses.create(model="scripted-utf8", input="hi", stream=True))
    types = [event.type for event in events]
    return {
        "types": sorted(set(types), key=types.index),
        "numbers": [event.sequence_number for event in events] == list(range(len(events))),
        "text": "".join(event.delta for event in events if event.type == "response.output_text.delta"),
        "whole": events[-1].response.output_text,
        "in pieces": len(events) > 20,
    }


@case
def responses_tools_loop():
    question = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.responses.create(model="scripted-tools", input=question, tools=FLAT_TOOLS)
    calls = [item for item in first.output if item.type == "function_call"]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": weather(**json.loads(call.arguments))}
        for call in calls
    ]
    whole = client.responses.create(model="scripted-tools", input=[*question, *first.output, *results], tools=FLAT_TOOLS)
    continued = client.responses.create(
        model="scripted-tools", previous_response_id=first.id, input=results, tools=FLAT_TOOLS
    )
    return {
        "calls": [[call.name, json.loads(call.arguments), call.status] for call in calls],
        "text": [whole.output_text, continued.output_text],
    }


@case
def responses_tools_stream():
    with client.responses.stream(model="scripted-tools-parallel", input="hi", tools=FLAT_TOOLS) as stream:
        arguments = [event.arguments for event in stream if event.type == "response.function_call_arguments.done"]
        final = stream.get_final_response()
    return {
        "arguments": [json.loads(each) for each in arguments],
        "calls": [[item.name, json.loads(item.arguments)] for item in final.output],
    }


@case
def responses_parse():
    answer = client.responses.parse(model="scripted-json", input="hi", text_format=Person)
    return answer.output_parsed.model_dump()


@case
def responses_conversation():
    first = client.responses.create(model="scripted-plain", input="hi", instructions="Be kind.")
    second = client.responses.create(model="scripted-plain", input="And now?", previous_response_id=first.id)
    stored = client.responses.retrieve(second.id)
    inputs = client.responses.input_items.list(second.id).data
    client.responses.delete(second.id)
    return {
        "grows": second.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens,
        "previous": second.previous_response_id == first.id,
        "stored": stored.output_text == second.output_text != "",
        "inputs": [item.content[0].text for item in inputs],
        "deleted": failure(lambda: client.responses.retrieve(second.id))[:3],
    }


@case
def conversations():
    conversation = client.conversations.create(
        items=[{"role": "user", "content": "My name is Ada."}], metadata={"topic": "names"}
    )
    answer = client.responses.create(model="scripted-plain", input="hi", conversation=conversation.id)
    items = client.conversations.items.list(conversation.id, order="asc", limit=2)
    roles = [item.role for item in items]
    added = client.conversations.items.create(conversation.id, items=[{"role": "user", "content": "Bye."}])
    client.conversations.items.delete(added.data[0].id, conversation_id=conversation.id)
    updated = client.conversations.update(conversation.id, metadata={"topic": "other"})
    deleted = client.conversations.delete(conversation.id)
    return {
        "conversation": answer.conversation.id == conversation.id,
        "roles": roles,
        "metadata": [conversation.metadata, updated.metadata],
        "deleted": [deleted.object, deleted.deleted],
        "gone": failure(lambda: client.conversations.retrieve(conversation.id))[:3],
    }


@case
def responses_unknown_previous():
    return failure(
        lambda: client.responses.create(model="scripted-plain", input="hi", previous_response_id="resp_0")
    )


@case
def responses_unknown():
    return failure(lambda: client.responses.retrieve("resp_0"))


@case
def responses_abort():
    def opened():
        stream = client.responses.create(model=LONG, input="hi", stream=True)
        texts = (event for event in stream if event.type == "response.output_text.delta")
        return texts, stream.close

    return abandoned(opened)


@case
def models():
    ids = {model.id for model in client.models.list()}
    return [client.models.retrieve("scripted-plain").id, "scripted-plain:latest" in ids, len(ids) > 10]


@case
def embeddings():
    texts = ["one", "two"]
    base64 = client.embeddings.create(model="scripted-embed", input=texts)
    floats = client.embeddings.create(model="scripted-embed", input=texts, encoding_format="float")
    pairs = [
        (a, b) for one, two in zip(base64.data, floats.data) for a, b in zip(one.embedding, two.embedding, strict=True)
    ]
    return {
        "lengths": [len(each.embedding) for each in base64.data],
        "same": all(abs(a - b) < 1e-6 for a, b in pairs),
        "vectors": [each.embedding for each in floats.data],
        "counted": base64.usage.prompt_tokens > 0,
    }


@case
def error_key():
    stranger = OpenAI(base_url=f"{url}/v1", api_key="ld-not-a-key", max_retries=0)
    return [
        failure(lambda: stranger.chat.completions.create(model="scripted-plain", messages=HI)),
        failure(lambda: stranger.responses.create(model="scripted-plain", input="hi")),
        failure(stranger.models.list),
    ]


@case
def error_model():
    return [
        failure(lambda: client.chat.completions.create(model="llama-of-nowhere", messages=HI)),
        failure(lambda: client.chat.completions.create(model="llama-of-nowhere", messages=HI, stream=True)),
        failure(lambda: client.responses.create(model="llama-of-nowhere", input="hi")),
        failure(lambda: client.embeddings.create(model="llama-of-nowhere", input="hi")),
    ]


@case
def error_request():
    return [
        failure(lambda: client.chat.completions.create(model="scripted-plain", messages="hi")),
        failure(lambda: client.responses.create(model="scripted-plain", input=7)),
    ]


@case
def error_broken():
    return failure(lambda: client.chat.completions.create(model="scripted-broken", messages=HI))


@case
def retries():
    # The package retries twice by default, unless x-should-retry says that it is useless.
    retrying = OpenAI(base_url=f"{url}/v1", api_key=key)
    return {
        model: requests_made(lambda: retrying.chat.completions.create(model=model, messages=HI))
        for model in ("scripted-broken", "scripted-repeat", "llama-of-nowhere")
    }


@case
def error_midway():
    stream = client.chat.completions.create(model="scripted-repeat", messages=HI, stream=True)
    texts = []

    def read():
        for chunk in stream:
            texts.append(chunk.choices[0].delta.content or "")

    return {"error": failure(read), "began": "".join(texts).strip().startswith("ha")}


run()
