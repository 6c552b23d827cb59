"""LangChain's ChatOpenAI and OpenAIEmbeddings with their defaults."""

import os

import litellm

# tiktoken would download its encodings. LiteLLM has them.
os.environ["TIKTOKEN_CACHE_DIR"] = os.path.join(os.path.dirname(litellm.__file__), "litellm_core_utils", "tokenizers")

from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # noqa: E402

from cases import case, key, run, url  # noqa: E402
from langchain_tools import summary, weather_loop  # noqa: E402

TO = {"base_url": f"{url}/v1", "api_key": key}


def model(name, **rest):
    return ChatOpenAI(model=name, **TO, **rest)


@case
def invoke():
    return summary(model("scripted-utf8").invoke("hi"), "finish_reason")


@case
def tools_loop():
    return weather_loop(model("scripted-tools"))


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
