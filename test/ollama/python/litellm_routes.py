"""The litellm package: its routes to an Ollama, and those to other APIs, with its retries and error classes."""

import json

import litellm
from litellm import completion, embedding

from cases import TIME, WEATHER, case, key, raised, requests_made, run, url, weather

# It prints long advice to report every error.
litellm.suppress_debug_info = True

HI = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": WEATHER}, {"type": "function", "function": TIME}]
# The routes to an Ollama send no key with /api/show and /api/embed, unless the URL holds it.
BASIC = url.replace("://", f"://any:{key}@")
ROUTES = {
    "ollama": {"api_base": BASIC, "api_key": key},
    "ollama_chat": {"api_base": BASIC, "api_key": key},
    "openai": {"api_base": f"{url}/v1", "api_key": key},
}


def routed(values):
    """Returns the values of each route."""
    return {route: values(f"{route}/", to) for route, to in ROUTES.items()}


@case
def complete():
    def values(prefix, to):
        answer = completion(f"{prefix}scripted-plain", HI, num_retries=2, **to)
        choice = answer.choices[0]
        return [choice.message.content, choice.finish_reason, answer.usage.completion_tokens > 0]

    return routed(values)


@case
def limit():
    def values(prefix, to):
        choice = completion(f"{prefix}scripted-plain", HI, max_tokens=4, **to).choices[0]
        return [choice.message.content, choice.finish_reason]

    return routed(values)


@case
def stream():
    def values(prefix, to):
        options = {"stream": True, "stream_options": {"include_usage": True}, "num_retries": 2}
        chunks = list(completion(f"{prefix}scripted-utf8", HI, **options, **to))
        choices = [choice for chunk in chunks for choice in chunk.choices]
        return {
            "text": "".join(choice.delta.content or "" for choice in choices),
            "finish": [choice.finish_reason for choice in choices if choice.finish_reason],
            "in pieces": len(chunks) > 20,
        }

    return routed(values)


@case
def messages_stream():
    # It splits server-sent events with Python's splitlines, which treats U+2028 as the end of a line.
    to = {"api_base": url, "api_key": key}
    chunks = completion("anthropic/scripted-utf8", HI, stream=True, **to)
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


@case
def thinking():
    def values(prefix, to):
        return thought_of(completion(f"{prefix}scripted-think", HI, **to))

    return routed(values)


def thought_of(answer):
    message = answer.choices[0].message
    return [(getattr(message, "reasoning_content", None) or "").strip(), message.content]


@case
def effort():
    # It sends think whether the model thinks or not.
    def values(prefix, to):
        plain = completion(f"{prefix}scripted-plain", HI, reasoning_effort="low", **to)
        low, none = [
            completion(f"{prefix}scripted-think", HI, reasoning_effort=effort, **to) for effort in ("low", "none")
        ]
        return [plain.choices[0].message.content, thought_of(low), thought_of(none)]

    return routed(values)


def calls_of(choice):
    return [[call.function.name, json.loads(call.function.arguments)] for call in choice.message.tool_calls or []]


@case
def tools_loop():
    def values(route):
        prefix, to = f"{route}/", ROUTES[route]
        messages = [{"role": "user", "content": "What is the weather in Paris?"}]
        first = completion(f"{prefix}scripted-tools", messages, tools=TOOLS, **to).choices[0]
        # Before the next request, which turns the calls into dictionaries.
        calls, results = calls_of(first), []
        for call in first.message.tool_calls:
            result = weather(**json.loads(call.function.arguments))
            results.append({"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": result})
        messages += [first.message, *results]
        second = completion(f"{prefix}scripted-tools", messages, tools=TOOLS, **to).choices[0]
        return [calls, first.finish_reason, second.message.content]

    return {route: values(route) for route in ("ollama_chat", "openai")}


@case
def tools_emulated():
    # It describes the tools in the prompt and requests JSON, so the call that these models make has no meaning.
    choice = completion("ollama/scripted-tools", HI, tools=TOOLS, **ROUTES["ollama"]).choices[0]
    return [[name for name, _ in calls_of(choice)], choice.finish_reason]


@case
def tools_stream():
    def values(route, model):
        chunks = list(completion(f"{route}/{model}", HI, tools=TOOLS, stream=True, **ROUTES[route]))
        whole = litellm.stream_chunk_builder(chunks).choices[0]
        return [calls_of(whole), whole.finish_reason]

    # Its route to /api/chat gives all calls of a stream one index, and so merges them.
    return {"ollama_chat": values("ollama_chat", "scripted-tools"), "openai": values("openai", "scripted-tools-parallel")}


@case
def embed():
    def values(prefix, to):
        answer = embedding(f"{prefix}scripted-embed", ["one", "two"], **to)
        return [each["embedding"] for each in answer.data]

    # Its route ollama_chat has no embeddings.
    return {route: values(f"{route}/", ROUTES[route]) for route in ("ollama", "openai")}


def failure(call):
    error = raised(call, "status_code")
    return [error["class"], error["status_code"], error["message"]]


@case
def error_key():
    return routed(
        lambda prefix, to: failure(
            lambda: completion(f"{prefix}scripted-plain", HI, api_base=to["api_base"].replace(key, "x"), api_key="x")
        )
    )


@case
def error_model():
    def values(prefix, to):
        options = {"num_retries": 2, **to}
        return [
            failure(lambda: completion(f"{prefix}llama-of-nowhere", HI, **options)),
            failure(lambda: list(completion(f"{prefix}llama-of-nowhere", HI, stream=True, **options))),
        ]

    return routed(values)


@case
def retries():
    # It retries every error itself, except in the route where the openai package does.
    def values(prefix, to):
        return {
            model: requests_made(lambda: completion(f"{prefix}{model}", HI, num_retries=2, **to))
            for model in ("scripted-broken", "scripted-repeat", "llama-of-nowhere")
        }

    return routed(values)


@case
def error_request():
    return routed(
        lambda prefix, to: failure(lambda: completion(f"{prefix}scripted-plain", HI, temperature="warm", **to))
    )


@case
def error_midway():
    def values(prefix, to):
        texts = []

        def read():
            for chunk in completion(f"{prefix}scripted-repeat", HI, stream=True, **to):
                texts.append(chunk.choices[0].delta.content or "")

        error = raised(read)
        return [error and error["class"], "".join(texts).strip().startswith("ha")]

    return routed(values)


run()
