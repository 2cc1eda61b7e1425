"""Adding a provider, as CONTRIBUTING.md says: a module of its name, and a line of facts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from docs import house
from runner.spec.providers import PROVIDERS
from tests.build import as_text
from tests.servers import OpenAIServer
from tests.workspace import chain, workflow

PRICED = "runner.prices"
"""What knows besides by which name the package of prices goes, and who sends no bill."""

ADDED = """
import sys
from types import ModuleType
from runner.spec.providers import PROVIDERS, ProviderFacts

PROVIDERS["parrot"] = ProviderFacts(default_model=None, parallel=(1, 2))  # the line

from runner.agents.providers import openai
module = ModuleType("runner.agents.providers.parrot")  # the module
module.PROVIDER = openai.PROVIDER
sys.modules[module.__name__] = module

from runner.main import cli
cli()
"""


def test_with_a_module_and_a_line_of_facts_a_provider_can_be_asked(tmp_path: Path) -> None:
    with OpenAIServer("a word") as server:
        (tmp_path / "workflow.yaml").write_text(as_text(workflow(server.url, chain("go"), provider="parrot")))
        command = [sys.executable, "-c", ADDED, "run", "workflow.yaml"]
        environment = {"PYTHONPATH": str(house.ROOT)}
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert (ended.returncode, ended.stdout) == (0, "a word\n"), ended.stderr
    assert len(server.requests) == 1


def test_no_other_module_knows_a_provider_by_its_name() -> None:
    known = {
        (module.name, node.value)
        for module in house.modules("runner").values()
        for node in ast.walk(module.syntax)
        if isinstance(node, ast.Constant) and node.value in PROVIDERS
        if not module.name.startswith(("runner.agents.providers.", "runner.spec.providers", PRICED))
    }
    assert known == {("runner.intake", "local")}  # whatever stands there, the input goes over it
