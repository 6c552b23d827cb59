"""LangChain's ChatOpenAI and OpenAIEmbeddings with their defaults."""

import os

import litellm
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool

# tiktoken would download its encodings. LiteLLM has them.
os.environ["TIKTOKEN_CACHE_DIR"] = os.path.join(os.path.dirname(litellm.__file__), "litellm_core_utils", "tokenizers")

from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # noqa: E402

import cases  # noqa: E402
from cases import case, key, run, url  # noqa: E402

TO = {"base_url": f"{url}/v1", "api_key": key}


def model(name, **rest):
    return ChatOpenAI(model=name, **TO, **rest)


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
        "done": answer.response_metadata["finish_reason"],
        "counted": answer.usage_metadata["input_tokens"] > 0 and answer.usage_metadata["output_tokens"] > 0,
    }


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
def structured():
    schema = {
        "title": "Person",
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    return sorted(model("scripted-json").with_structured_output(schema).invoke("hi"))


@case
def embed():
    # It sends the numbers of tokens, not texts.
    return OpenAIEmbeddings(model="scripted-embed", **TO).embed_documents(["one", "two"])


run()
