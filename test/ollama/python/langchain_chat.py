"""LangChain's ChatOllama and OllamaEmbeddings."""

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings

import cases
from cases import LONG, LONG_OPTIONS, abandoned, case, key, raised, run, url

TO = {"base_url": url, "client_kwargs": {"headers": {"authorization": f"Bearer {key}"}}}


def model(name, **rest):
    return ChatOllama(model=name, **TO, **rest)


@tool
def get_weather(city: str, unit: str = "celsius") -> str:
    """Weather in a city"""
    return cases.weather(city, unit)


@tool
def get_time(zone: str) -> str:
    """Time in a zone"""
    return zone


@case
def invoke():
    answer = model("scripted-utf8").invoke("hi")
    return {
        "text": answer.content,
        "done": answer.response_metadata["done_reason"],
        "counted": answer.usage_metadata["input_tokens"] > 0 and answer.usage_metadata["output_tokens"] > 0,
    }


@case
def stream():
    whole, count = None, 0
    for chunk in model("scripted-plain", num_predict=20, temperature=0.5).stream("hi"):
        whole = chunk if whole is None else whole + chunk
        count += 1
    return [whole.content, whole.response_metadata["done_reason"], count > 10, whole.usage_metadata["output_tokens"]]


@case
def thinking():
    answer = model("scripted-think", reasoning=True).invoke("hi")
    return [answer.additional_kwargs["reasoning_content"], answer.content]


@case
def tools_loop():
    bound = model("scripted-tools").bind_tools([get_weather, get_time])
    messages = [HumanMessage("What is the weather in Paris?")]
    first = bound.invoke(messages)
    messages.append(first)
    for call in first.tool_calls:
        messages.append(ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]))
    return {"calls": [[call["name"], call["args"]] for call in first.tool_calls], "text": bound.invoke(messages).content}


@case
def tools_stream():
    whole = None
    for chunk in model("scripted-tools-parallel").bind_tools([get_weather, get_time]).stream("hi"):
        whole = chunk if whole is None else whole + chunk
    return {
        "calls": [[call["name"], call["args"]] for call in whole.tool_calls],
        "ids": len({call["id"] for call in whole.tool_calls}),
    }


@case
def structured():
    schema = {
        "title": "Person",
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": True,
    }
    return [
        model("scripted-json").with_structured_output(schema, method="json_mode").invoke("hi"),
        sorted(model("scripted-json").with_structured_output(schema).invoke("hi")),
    ]


@case
def embed():
    return OllamaEmbeddings(model="scripted-embed", **TO).embed_documents(["one", "two"])


@case
def abort():
    def opened():
        generator = model(LONG, num_ctx=LONG_OPTIONS["num_ctx"], keep_alive="1h").stream("hi")
        return generator, generator.close

    return abandoned(opened)


@case
def error_key():
    stranger = {"client_kwargs": {"headers": {"authorization": "Bearer ld-not-a-key"}}, "base_url": url}
    error = raised(lambda: ChatOllama(model="scripted-plain", **stranger).invoke("hi"), "status_code", "error")
    return [error["class"], error["status_code"], error["error"]]


@case
def error_model():
    error = raised(lambda: model("llama-of-nowhere").invoke("hi"), "status_code", "error")
    return [error["class"], error["status_code"], error["error"]]


run()
