"""LangChain's ChatOllama and OllamaEmbeddings."""

from langchain_ollama import ChatOllama, OllamaEmbeddings

from cases import LONG, LONG_OPTIONS, abandoned, case, key, raised, run, url
from langchain_tools import get_time, get_weather, summary, weather_loop

TO = {"base_url": url, "client_kwargs": {"headers": {"authorization": f"Bearer {key}"}}}


def model(name, **rest):
    return ChatOllama(model=name, **TO, **rest)


@case
def invoke():
    return summary(model("scripted-utf8").invoke("hi"), "done_reason")


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
    return weather_loop(model("scripted-tools"))


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
