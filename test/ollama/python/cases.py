"""Shared by the programs here: named cases, each of which prints a line of JSON."""

import json
import os
import time
import urllib.request
from datetime import datetime, timezone

url = os.environ["LLAMADUCT_URL"]
key = os.environ["LLAMADUCT_KEY"]
ollama_url = os.environ["OLLAMA_URL"]

_cases = []


def case(function):
    """Registers a function as a case under its own name. It must return values that JSON can hold."""
    _cases.append(function)
    return function


def run():
    """Runs every case, one after the other, even if some raise."""
    for function in _cases:
        try:
            outcome = {"case": function.__name__, "ok": True, "values": function()}
        except Exception as error:
            outcome = {"case": function.__name__, "ok": False, "values": f"{type(error).__name__}: {error}"}
        print(json.dumps(outcome), flush=True)


def raised(call, *attributes):
    """Returns the class, the message and some attributes of what a call raises; None if it raises nothing."""
    try:
        call()
    except Exception as error:
        values = {name: getattr(error, name, None) for name in attributes}
        return {"class": type(error).__name__, "message": str(error), **values}
    return None


def requests_made(call):
    """Returns the number of generation requests that llamaduct gets during a call, which may raise."""
    before = _generated()
    raised(call)
    return _generated() - before


_GENERATING = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/api/chat", "/api/generate")


def _generated():
    request = urllib.request.Request(f"{url}/metrics", headers={"authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request) as answer:
        lines = answer.read().decode().splitlines()
    starts = tuple(f'llamaduct_requests_total{{route="{route}"' for route in _GENERATING)
    return sum(int(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(starts))


def weather(city, unit="celsius"):
    """The tool that the tool loops run."""
    return f"18 degrees {unit}, sunny in {city}"


WEATHER = {
    "name": "get_weather",
    "description": "Weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
        "required": ["city"],
    },
}
TIME = {
    "name": "get_time",
    "description": "Time in a zone",
    "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
}

# Generates ten times its context. llamaduct's rule for it sets the same context, so that both use one runner.
LONG = "scripted-long"
LONG_OPTIONS = {"num_ctx": 8192}
# Seconds for a model to load, or for an abort to take effect, on a busy machine.
DEADLINE = 30


def _minutes_left():
    with urllib.request.urlopen(f"{ollama_url}/api/ps") as answer:
        models = json.load(answer)["models"]
    for model in models:
        if model["name"] == f"{LONG}:latest":
            # Python cannot parse nanoseconds.
            expires = datetime.fromisoformat(model["expires_at"][:19]).replace(tzinfo=_zone(model["expires_at"]))
            return (expires - datetime.now(timezone.utc)).total_seconds() / 60
    return -1


def _zone(text):
    return datetime.fromisoformat("2000-01-01T00:00:00" + (text[-6:] if text[-6] in "+-" else "+00:00")).tzinfo


def _stays_loaded_for(minutes):
    end = time.monotonic() + DEADLINE
    while abs(_minutes_left() - minutes) >= 1:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def abandoned(open_stream):
    """
    Opens an endless answer of LONG, closes it after its first chunk, and returns whether the generation ended. Ollama's
    API shows this only by the time at which it unloads the model: it changes when a request ends, and not while one
    runs. llamaduct's rule for the model sets it to an hour.

    open_stream returns an iterator over the answer, and a function that closes it.
    """
    body = {"model": LONG, "prompt": "hi", "stream": False, "keep_alive": "10m"}
    body["options"] = {**LONG_OPTIONS, "num_predict": 1}
    urllib.request.urlopen(f"{ollama_url}/api/generate", json.dumps(body).encode()).read()
    idle = _stays_loaded_for(10)
    chunks, close = open_stream()
    for _ in chunks:
        break
    running = abs(_minutes_left() - 10) < 1
    close()
    return {"idle before": idle, "running": running, "ended": _stays_loaded_for(60)}
