"""The tools of LangChain's programs, and the cases that use a model of either package."""

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool

import cases


@tool
def get_weather(city: str, unit: str = "celsius") -> str:
    """Weather in a city"""
    return cases.weather(city, unit)


@tool
def get_time(zone: str) -> str:
    """Time in a zone"""
    return zone


def summary(answer, done):
    """Returns the text of an answer, why it ended, and whether its tokens are counted."""
    usage = answer.usage_metadata
    return {
        "text": answer.content,
        "done": answer.response_metadata[done],
        "counted": usage["input_tokens"] > 0 and usage["output_tokens"] > 0,
    }


def weather_loop(model):
    """Has a model call a tool, and answer with its result."""
    bound = model.bind_tools([get_weather, get_time])
    messages = [HumanMessage("What is the weather in Paris?")]
    first = bound.invoke(messages)
    messages.append(first)
    for call in first.tool_calls:
        messages.append(ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]))
    return {"calls": [[call["name"], call["args"]] for call in first.tool_calls], "text": bound.invoke(messages).content}
