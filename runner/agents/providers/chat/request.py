"""What is asked: a conversation in the SDK's form as the body of a request.

The API takes images from users only, so those that a tool gave follow its result as a message of the user's. What it
has no form for is left out: what a model thought before, marks of prompt caches, files that are not sent but named.
"""

from __future__ import annotations

import base64
import json
import mimetypes
from typing import TYPE_CHECKING, Any, Final

from runner.tape.cleaning import whole_characters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from strands.types.content import ContentBlock, Message
    from strands.types.tools import ToolChoice, ToolResult, ToolSpec, ToolUse

Part = dict[str, Any]

IMAGE_FOLLOWS: Final = "The tool gave an image, which the next message of the user shows."

_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body as it is sent. Raises ValueError for numbers that JSON has no form for."""
    text = _json(body)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return whole_characters(text).encode()


def asked(
    messages: Iterable[Message],
    system_prompt: str | None,
    tools: Iterable[ToolSpec] | None,
    choice: ToolChoice | None,
) -> dict[str, Any]:
    """The part of a body that tells of the conversation."""
    body: dict[str, Any] = {"messages": [*_system(system_prompt), *(one for said in messages for one in _told(said))]}
    if tools:
        body["tools"] = [_tool(tool) for tool in tools]
    if choice:
        body["tool_choice"] = _choice(choice)
    return body


def _system(prompt: str | None) -> list[Part]:
    return [{"role": "system", "content": prompt}] if prompt else []


def _tool(tool: ToolSpec) -> Part:
    function = {"name": tool["name"], "description": tool["description"], "parameters": tool["inputSchema"]["json"]}
    return {"type": "function", "function": function}


def _choice(choice: Any) -> Any:
    if "tool" in choice:
        return {"type": "function", "function": {"name": choice["tool"]["name"]}}
    return "required" if "any" in choice else "auto"


def _told(message: Message) -> Iterator[Part]:
    """The messages that one of the SDK's becomes: results of tools first, which must follow their calls."""
    blocks = message["content"]
    images: list[list[Part]] = []
    for block in blocks:
        if "toolResult" in block:
            result, found = _result(block["toolResult"])
            yield result
            images += [found] if found else []
    yield from ({"role": "user", "content": found} for found in images)
    told: Part = {"role": message["role"]}
    if parts := [_part(block) for block in blocks if not _LEFT_OUT & block.keys() and not _only_named(block)]:
        told["content"] = parts
    if calls := [_call(block["toolUse"]) for block in blocks if "toolUse" in block]:
        told["tool_calls"] = calls
    if len(told) > 1:
        yield told


_LEFT_OUT: Final = frozenset({"toolUse", "toolResult", "reasoningContent", "cachePoint"})


def _only_named(block: Any) -> bool:
    return any("location" in block[kind].get("source", ()) for kind in ("image", "document", "video") if kind in block)


def _part(block: ContentBlock) -> Part:
    """Raises TypeError for what the API has no form for."""
    if "text" in block:
        return {"type": "text", "text": block["text"]}
    if "image" in block:
        kind, data = _data(block["image"])
        return {"type": "image_url", "image_url": {"url": data, "detail": "auto", "format": kind}}
    if "document" in block:
        file = {"filename": block["document"]["name"], "file_data": _data(block["document"])[1]}
        return {"type": "file", "file": file}
    raise TypeError(f"chat completions have no form for content of the type '{next(iter(block))}'")


def _data(file: Any) -> tuple[str, str]:
    """The media type of a file, and the file as a URL that holds it."""
    kind = mimetypes.types_map.get(f".{file['format']}", "application/octet-stream")
    return kind, f"data:{kind};base64,{base64.b64encode(file['source']['bytes']).decode()}"


def _call(use: ToolUse) -> Part:
    function = {"name": use["name"], "arguments": json.dumps(use["input"], ensure_ascii=False)}
    return {"type": "function", "id": use["toolUseId"], "function": function}


def _result(result: ToolResult) -> tuple[Part, list[Part]]:
    """What a tool gave as its message, and the images in it. Texts that are all of it are one text: not every server
    takes parts here."""
    parts: list[Part] = []
    for block in result["content"]:
        text = json.dumps(block["json"], ensure_ascii=False) if "json" in block else block.get("text")
        if text is not None and parts and parts[-1]["type"] == "text":
            parts[-1]["text"] += f"\n{text}"
        elif text is not None:
            parts.append({"type": "text", "text": text})
        elif "image" in block or "document" in block:
            parts.append(_part(block))  # type: ignore[arg-type]
    images = [part for part in parts if part["type"] == "image_url"]
    told = [part for part in parts if part["type"] != "image_url"]
    told += [{"type": "text", "text": IMAGE_FOLLOWS}] if images else []
    is_text = all(part["type"] == "text" for part in parts)
    content = "".join(part["text"] for part in parts) if is_text else told
    return {"role": "tool", "tool_call_id": result["toolUseId"], "content": content}, images
