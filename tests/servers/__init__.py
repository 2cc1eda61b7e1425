"""Scripted model servers on real sockets, so that tests run the real SDK and the real client against them.

Each server lives in its own thread with its own loop. What differs between providers is in their modules;
everything that is HTTP, counting or timing is in `http`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .anthropic import AnthropicServer
from .bedrock import BedrockServer
from .gemini import GeminiServer
from .http import Answer, ModelServer, Request
from .internet import Internet
from .narrow import NarrowServer
from .ollama import OllamaServer
from .openai import AzureServer, OpenAIServer
from .web import WebServer

__all__ = [
    "SERVERS",
    "Answer",
    "AnthropicServer",
    "AzureServer",
    "BedrockServer",
    "GeminiServer",
    "Internet",
    "NarrowServer",
    "OllamaServer",
    "OpenAIServer",
    "Request",
    "WebServer",
]

SERVERS: Final[Mapping[str, type[ModelServer]]] = {
    "anthropic": AnthropicServer,
    "azure_openai": AzureServer,
    "bedrock": BedrockServer,
    "gemini": GeminiServer,
    "ollama": OllamaServer,
    "openai": OpenAIServer,
}
"""By the name of the provider whose place each takes."""
