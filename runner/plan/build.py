"""What was written as a pattern, as the flow that will run."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from runner.plan import asked, digest, order, reviews
from runner.plan.flows import (
    Branch,
    ChainFlow,
    EvaluatorOptimizerFlow,
    GraphFlow,
    OrchestratorWorkersFlow,
    ParallelFlow,
    RoutingFlow,
    Task,
    Way,
    WorkflowFlow,
)
from runner.plan.plan import NO_POLICY, Gate, Step
from runner.plan.recipes import Asked
from runner.plan.scope import reserved, why_taken
from runner.records import dataclass
from runner.spec import patterns
from runner.spec.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from runner.plan.flows import Flow
    from runner.plan.plan import ContextPlan, Row
    from runner.plan.problems import Place, Problems
    from runner.plan.recipes import Recipes
    from runner.spec import models as spec

BASE: Place = ("pattern", "config")


@dataclass
class Builder:
    """Builds the flow of one file, and notes what is wrong with it."""

    runtime: spec.Runtime
    recipes: Recipes
    problems: Problems
    places: dict[str, Place] = field(default_factory=dict)
    """Where in the file each planned step stands, by its path."""
    context: ContextPlan = NO_POLICY
    taken: frozenset[str] = frozenset()
    """Names that templates call answers by."""

    def flow(self, pattern: patterns.Pattern) -> Flow:
        self.taken = reserved(pattern.type)
        match pattern:
            case patterns.Chain(config=chain):
                return ChainFlow(self._row(chain.steps, BASE, ""))
            case patterns.Routing(config=routing):
                return self._routing(routing)
            case patterns.Parallel(config=parallel):
                return self._parallel(parallel)
            case patterns.Workflow(config=workflow):
                return self._workflow(workflow)
            case patterns.Graph(config=graph):
                return self._graph(graph)
            case patterns.EvaluatorOptimizer(config=optimizer):
                return self._evaluator_optimizer(optimizer)
            case patterns.OrchestratorWorkers(config=workers):
                return self._orchestrator_workers(workers)

    @property
    def _keep_going(self) -> bool:
        return self.runtime.failure_policy.on_failure == "continue"

    # -- steps --------------------------------------------------------------------------------------------------------

    def _step(self, step: patterns.Step, place: Place, path: str, needs: Asked | None = None) -> Step:
        """One step as it will run; `needs` is what its pattern needs of the answer."""
        self.places[path] = place
        for name in step.vars.keys() & self.taken:
            self.problems.find(f"a variable cannot be named '{name}': {why_taken(name)}", (*place, "vars", name))
        policy, question = self.runtime.failure_policy, step.input
        if question is None and isinstance(step, patterns.Task):
            question = step.description
        reasks = 1 if needs is None or needs.reasks is None else needs.reasks
        agent, *fallbacks = self.recipes.of(step, place, needs)
        return digest.sign_step(
            Step(
                path=path,
                agent=agent,
                input=question,
                vars=step.vars,
                id=step.id,
                when=step.when,
                session=step.session,
                fallbacks=tuple(fallbacks),
                reasks=reasks if policy.on_malformed == "ask_again" else 0,
                otherwise=None if needs is None else needs.otherwise,
                timeout_s=step.timeout_s or self.runtime.timeout_s,
                retries=policy.retries if step.retries is None else step.retries,
                at=self.problems.document.locate(place),
            ),
            self.context,
        )

    def _asking(
        self, ask: patterns.Ask, place: Place, path: str, needs: Asked | None = None, question: str | None = None
    ) -> Step:
        """A step out of the little that a pattern says of it; `question` is asked where it names none."""
        return self._step(patterns.Step(agent=ask.agent, input=ask.input or question), place, path, needs)

    def _row(
        self, steps: Sequence[patterns.Step | patterns.Gate], base: Place, prefix: str, key: str = "steps"
    ) -> tuple[Row, ...]:
        self.problems.unique([getattr(step, "id", None) for step in steps], (*base, key), "step")
        return tuple(
            self._row_of(step, (*base, key, index), f"{prefix}steps[{index}]") for index, step in enumerate(steps)
        )

    def _row_of(self, step: patterns.Ask | patterns.Gate, place: Place, path: str) -> Row:
        """What stands where a step may."""
        match step:
            case patterns.Gate():
                return self._gate(step, place, path)
            case patterns.Step():
                return self._step(step, place, path)
        return self._asking(step, place, path)

    def _gate(self, gate: patterns.Gate, place: Place, path: str, **reviewing: Any) -> Gate:
        """A gate as it will ask; `reviewing` is what its answer decides, where it decides something."""
        self.places[path] = place
        planned = Gate(
            path=path,
            prompt=gate.prompt,
            context_display=gate.context_display,
            default=gate.default,
            timeout_s=gate.timeout_seconds or None,
            id=gate.id if isinstance(gate, patterns.GateTask) else None,
            at=self.problems.document.locate(place),
            **reviewing,
        )
        if gate.default is not None:
            try:
                reviews.check(planned, gate.default)
            except ValueError as problem:
                self.problems.find(f"the default '{gate.default}' {problem}", (*place, "default"))
        return digest.sign_gate(planned)

    def _review(self, gate: patterns.Gate | None, place: Place, path: str, **reviewing: Any) -> Gate | None:
        return None if gate is None else self._gate(gate, place, path, **reviewing)

    # -- the patterns -------------------------------------------------------------------------------------------------

    def _routing(self, config: patterns.RoutingConfig) -> RoutingFlow:
        router, names = config.router, list(config.routes)
        if router.fallback is not None and router.fallback not in names:
            told = f"fallback '{router.fallback}' is not one of the routes; {nearest(router.fallback, names)}"
            self.problems.find(told, (*BASE, "router", "fallback"))
        otherwise = None if router.fallback is None else {"route": router.fallback}
        needs = Asked(asked.route(names), "route", router.max_retries, otherwise)
        return RoutingFlow(
            self._asking(router, (*BASE, "router"), "router", needs),
            tuple(self._route(name, route, router.input) for name, route in config.routes.items()),
            self._review(
                router.review_router,
                (*BASE, "router", "review_router"),
                "router.review",
                reviews="route",
                routes=tuple(names),
            ),
        )

    def _route(self, name: str, route: patterns.Route, question: str | None) -> Branch:
        """A route's steps. The first of them is asked what the router was asked, unless it says otherwise."""
        first, *rest = route.then
        if isinstance(first, patterns.Step) and first.input is None:
            first = first.model_copy(update={"input": question})
        return Branch(name, self._row([first, *rest], (*BASE, "routes", name), f"routes.{name}.", "then"))

    def _parallel(self, config: patterns.ParallelConfig) -> ParallelFlow:
        self.problems.unique([branch.id for branch in config.branches], (*BASE, "branches"), "branch")
        branches = tuple(
            Branch(branch.id, self._row(branch.steps, (*BASE, "branches", index), f"branches.{branch.id}."))
            for index, branch in enumerate(config.branches)
        )
        return ParallelFlow(branches, self._optional(config.reduce, "reduce"), self._keep_going)

    def _optional(self, step: patterns.Step | patterns.Gate | None, key: str) -> Row | None:
        return None if step is None else self._row_of(step, (*BASE, key), key)

    def _workflow(self, config: patterns.WorkflowConfig) -> WorkflowFlow:
        base = (*BASE, "tasks")
        ids = [task.id for task in config.tasks]
        self.problems.unique(ids, base, "task")
        known = set(ids)
        for index, task in enumerate(config.tasks):
            for number, dep in enumerate(task.deps):
                if dep not in known:
                    told = f"task '{task.id}' needs unknown task '{dep}'; {nearest(dep, ids)}"
                    self.problems.find(told, (*base, index, "deps", number), (*base, index, "depends_on", number))
        tasks = {
            task.id: Task(
                task.id,
                self._row_of(task, (*base, index), f"tasks.{task.id}"),
                tuple(dep for dep in task.deps if dep in known),
            )
            for index, task in enumerate(config.tasks)
        }
        flow = WorkflowFlow(tuple(tasks.values()), self._keep_going)
        if circle := order.circle(flow.deps):
            self.problems.find(f"tasks wait for each other: {' → '.join(circle)}", (*base, ids.index(circle[0])))
        return flow

    def _graph(self, config: patterns.GraphConfig) -> GraphFlow:
        nodes = {name: self._row_of(one, (*BASE, "nodes", name), f"nodes.{name}") for name, one in config.nodes.items()}
        ways: dict[str, list[Way]] = {}
        for index, edge in enumerate(config.edges):
            self._known_node(edge.from_, nodes, (*BASE, "edges", index, "from"))
            ways.setdefault(edge.from_, []).extend(self._ways(edge, nodes, (*BASE, "edges", index)))
        for name, found in ways.items():
            if any(way.when is None for way in found[:-1]):
                last = max(index for index, edge in enumerate(config.edges) if edge.from_ == name)
                told = f"the last way on from node '{name}' is never taken: one before it is always open"
                self.problems.find(told, (*BASE, "edges", last))
        return GraphFlow(
            nodes,
            {name: tuple(found) for name, found in ways.items()},
            config.max_iterations,
            config.on_no_match,
            config.on_max_iterations,
        )

    def _ways(self, edge: patterns.Edge, nodes: Collection[str], place: Place) -> Iterator[Way]:
        targets = [edge.to] if isinstance(edge.to, str) else edge.to or []
        if len(targets) > 1:
            told = "a graph is at one node at a time; for several at once use the pattern workflow"
            self.problems.find(told, (*place, "to"))
        for target in targets[:1]:
            self._known_node(target, nodes, (*place, "to"))
            yield Way(target)
        for number, choice in enumerate(edge.choose or []):
            self._known_node(choice.to, nodes, (*place, "choose", number, "to"))
            yield Way(choice.to, None if choice.when.strip() == "else" else choice.when)

    def _known_node(self, name: str, nodes: Collection[str], place: Place) -> None:
        if name not in nodes:
            self.problems.find(f"unknown node '{name}'; {nearest(name, list(nodes))}", place)

    def _evaluator_optimizer(self, config: patterns.EvaluatorOptimizerConfig) -> EvaluatorOptimizerFlow:
        accept = config.accept
        producer = patterns.Step(agent=config.producer)
        better = asked.REVISE if config.review_gate is None else asked.REVISE + reviews.GUIDANCE
        reviser = patterns.Step(agent=config.producer, input=config.revise_prompt or better)
        revised_at = "revise_prompt" if config.revise_prompt is not None else "producer"
        needs = Asked(asked.EVALUATION, "score")
        return EvaluatorOptimizerFlow(
            producer=self._step(producer, (*BASE, "producer"), "producer"),
            reviser=self._step(reviser, (*BASE, revised_at), "reviser"),
            evaluator=self._asking(config.evaluator, (*BASE, "evaluator"), "evaluator", needs, asked.EVALUATE),
            min_score=accept.min_score if accept else config.min_score or 0.0,
            max_iters=accept.max_iters if accept else config.max_iters or 3,
            on_exhausted=accept.on_exhausted if accept else "accept_best",
            review=self._review(config.review_gate, (*BASE, "review_gate"), "review", reviews="draft"),
        )

    def _orchestrator_workers(self, config: patterns.OrchestratorWorkersConfig) -> OrchestratorWorkersFlow:
        orchestrator, template, limits = config.orchestrator, config.worker_template, config.orchestrator.limits
        worker = patterns.Step(agent=template.agent, input=asked.TASK, tool_overrides=template.tools)
        place = (*BASE, "orchestrator")
        again = None
        if limits.max_rounds > 1 or limits.on_exhausted == "fail":
            more = patterns.Step(agent=orchestrator.agent, input=(orchestrator.input or "") + asked.GO_ON)
            needs = Asked(asked.tasks(limits.max_tasks, 0), "tasks")
            again = self._step(more, place, "orchestrator.again", needs)
        needs, revised = Asked(asked.tasks(limits.max_tasks, 1), "tasks"), None
        if config.decomposition_review is not None:
            others = patterns.Step(agent=orchestrator.agent, input=(orchestrator.input or "") + asked.OTHER_TASKS)
            revised = self._step(others, place, "orchestrator.revised", needs)
        if config.reduce_review is not None and config.reduce is None:
            told = "reduce_review is asked before 'reduce', and there is none"
            self.problems.find(told, (*BASE, "reduce_review"))
        return OrchestratorWorkersFlow(
            orchestrator=self._asking(orchestrator, place, "orchestrator", needs),
            worker=self._step(worker, (*BASE, "worker_template"), "workers"),
            again=again,
            reduce=self._optional(config.reduce, "reduce"),
            writeup=self._optional(config.writeup, "writeup"),
            max_workers=limits.max_workers,
            max_rounds=limits.max_rounds,
            max_tasks=limits.max_tasks,
            on_exhausted=limits.on_exhausted,
            keep_going=self._keep_going,
            review=self._review(
                config.decomposition_review,
                (*BASE, "decomposition_review"),
                "orchestrator.review",
                reviews="tasks",
                max_tasks=limits.max_tasks,
            ),
            revised=revised,
            reduce_review=self._review(
                config.reduce_review, (*BASE, "reduce_review"), "reduce.review", reviews="answers"
            ),
        )
