"""Scripted model servers on real sockets, so that tests run the real SDK and the real client against them.

Each server lives in its own thread with its own loop. What differs between providers is in their modules;
everything that is HTTP, counting or timing is in `http`.
"""

from .bedrock import BedrockServer
from .http import Answer, Request
from .ollama import OllamaServer
from .openai import OpenAIServer

__all__ = ["Answer", "BedrockServer", "OllamaServer", "OpenAIServer", "Request"]
