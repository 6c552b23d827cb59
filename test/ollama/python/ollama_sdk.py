"""The ollama package: Ollama's API, passed through or translated."""

from ollama import Client

from cases import LONG, LONG_OPTIONS, TIME, WEATHER, abandoned, case, key, raised, run, url, weather

client = Client(url, headers={"authorization": f"Bearer {key}"})
HI = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": WEATHER}, {"type": "function", "function": TIME}]
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "note": {"type": "string"},
    },
    "required": ["name", "age", "tags", "note"],
}


def calls_of(message):
    return [[call.function.name, dict(call.function.arguments)] for call in message.tool_calls or []]


@case
def chat():
    answer = client.chat("scripted-utf8", HI)
    return {
        "text": answer.message.content,
        "done": [answer.done, answer.done_reason],
        "is": [answer.model, answer.message.role],
        "counted": answer.prompt_eval_count > 0 and answer.eval_count > 0,
        "took": answer.total_duration > 0,
    }


@case
def chat_stream():
    parts = list(client.chat("scripted-utf8", HI, stream=True))
    return {
        "text": "".join(part.message.content for part in parts),
        "in pieces": len(parts) > 20,
        "done": [part.done_reason for part in parts if part.done],
        "counted": parts[-1].prompt_eval_count > 0 and parts[-1].eval_count > 0,
        "took": parts[-1].total_duration > 0,
    }


@case
def chat_limit():
    answer = client.chat("scripted-plain", HI, options={"num_predict": 4})
    return [answer.message.content, answer.done_reason, answer.eval_count]


@case
def chat_stop():
    # The package sends every option, most of them null.
    answer = client.chat("scripted-plain", HI, options={"stop": [" Ollama"], "seed": 7, "num_ctx": None})
    return [answer.message.content, answer.done_reason]


@case
def chat_think():
    whole = client.chat("scripted-think", HI, think=True).message
    parts = [part.message for part in client.chat("scripted-think", HI, think=True, stream=True)]
    return [
        [whole.thinking, whole.content],
        ["".join(part.thinking or "" for part in parts), "".join(part.content or "" for part in parts)],
    ]


@case
def chat_tools_loop():
    def get_weather(city: str, unit: str = "celsius") -> str:
        """
        Weather in a city

        Args:
          city: the city
          unit: the unit
        """
        return weather(city, unit)

    messages = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.chat("scripted-tools", messages, tools=[get_weather])
    messages.append(first.message)
    for call in first.message.tool_calls:
        result = get_weather(**call.function.arguments)
        messages.append({"role": "tool", "tool_name": call.function.name, "content": result})
    second = client.chat("scripted-tools", messages, tools=[get_weather])
    return {
        "calls": calls_of(first.message),
        "done": [first.done_reason, second.done_reason],
        "text": second.message.content,
    }


@case
def chat_tools_stream():
    parts = client.chat("scripted-tools-parallel", HI, tools=TOOLS, stream=True)
    return [call for part in parts for call in calls_of(part.message)]


@case
def chat_format():
    return [
        client.chat("scripted-json", HI, format="json").message.content,
        client.chat("scripted-json", HI, format=SCHEMA).message.content,
    ]


@case
def generate():
    answer = client.generate("scripted-plain", "hi", system="Be kind.")
    return [answer.response, answer.done_reason, answer.eval_count > 0]


@case
def generate_stream():
    parts = list(client.generate("scripted-think", "hi", think=True, stream=True))
    return [
        "".join(part.thinking or "" for part in parts),
        "".join(part.response for part in parts),
        [part.done_reason for part in parts if part.done],
    ]


@case
def load():
    answer = client.generate("scripted-plain")
    return [answer.response, answer.done, answer.done_reason]


@case
def embed():
    one = client.embed("scripted-embed", "one")
    both = client.embed("scripted-embed", ["one", "two"])
    return {
        "same": both.embeddings[0] == one.embeddings[0] != both.embeddings[1],
        "vectors": [list(vector) for vector in both.embeddings],
        "old": list(client.embeddings("scripted-embed", "one").embedding),
        "counted": both.prompt_eval_count > 0,
    }


@case
def listed():
    models = client.list().models
    return [len(models) > 10, [model.model for model in models if model.model == "scripted-plain:latest"]]


@case
def show():
    shown = client.show("scripted-tools")
    return {"capabilities": sorted(shown.capabilities), "tools": ".Tools" in shown.template}


@case
def ps():
    client.chat("scripted-plain", HI)
    return ["scripted-plain:latest"] if any(model.size for model in client.ps().models) else []


@case
def abort():
    def opened():
        stream = client.chat(LONG, HI, stream=True, options=LONG_OPTIONS, keep_alive="1h")
        return stream, stream.close

    return abandoned(opened)


def failure(call):
    error = raised(call, "status_code", "error")
    # More lines may follow, depending on how Ollama's runner writes them.
    return error and [error["class"], error["status_code"], error["error"].split("\n")[0]]


@case
def error_key():
    stranger = Client(url, headers={"authorization": "Bearer ld-not-a-key"})
    return [failure(lambda: stranger.chat("scripted-plain", HI)), failure(stranger.list)]


@case
def error_model():
    return [
        failure(lambda: client.chat("llama-of-nowhere", HI)),
        failure(lambda: list(client.chat("llama-of-nowhere", HI, stream=True))),
        failure(lambda: client.generate("llama-of-nowhere", "hi")),
        failure(lambda: client.embed("llama-of-nowhere", "hi")),
        failure(lambda: client.show("llama-of-nowhere")),
    ]


@case
def error_tools():
    return failure(lambda: client.chat("scripted-json", HI, tools=TOOLS))


@case
def error_broken():
    return failure(lambda: client.chat("scripted-broken", HI))


@case
def error_midway():
    texts, ended = [], []

    def read():
        for part in client.chat("scripted-repeat", HI, stream=True):
            texts.append(part.message.content)
            ended.append(part.done)

    return {"error": failure(read), "ended": any(ended), "began": "".join(texts).strip().startswith("ha")}


run()
