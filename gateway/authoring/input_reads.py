"""What the modules read of `input`, followed through variables, functions and rules.

A small abstract interpretation of OPA's syntax trees. Each variable stands for a set of atoms:
paths of input, paths of base data, texts, and collections of these. Names that come from data (an
attribute list in YAML) are looked up there. What is not followed is no read: this finds mistakes of
authors, and it is the gateway that gives policies nothing undeclared (docs/formats.md section 2).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.authoring.finding import Place
from gateway.authoring.input_atoms import (
    ANY,
    INDEX,
    Atoms,
    DataPath,
    InputPath,
    Many,
    Node,
    Steps,
    Text,
    declared,
    dotted,
)
from gateway.authoring.modules import Module, rule_name

_MAX_ROUNDS = 20
_MAX_STEPS = 12
_BIND_PASSES = 2

_NOTHING: Atoms = frozenset()
_Environment = dict[str, Atoms]
_Name = tuple[Steps, str]  # package and rule


@dataclass(frozen=True, slots=True, order=True)
class InputRead:
    """One read: where, and which steps below `input`."""

    place: Place
    steps: Steps


def find_input_reads(modules: Sequence[Module], data: Mapping[str, Any]) -> list[InputRead]:
    """Every read of input in the modules that are no tests, by place. `data` is the tree below
    Rego's `data`."""
    return sorted(_Analysis([module for module in modules if not module.is_test], data).run())


class _Analysis:
    def __init__(self, modules: Sequence[Module], data: Mapping[str, Any]) -> None:
        self.data = data
        self.reads: set[InputRead] = set()
        self.results: dict[_Name, Atoms] = {}
        self.parameters: dict[tuple[_Name, int], Atoms] = {}
        self._scopes = [_Scope(self, module) for module in modules]
        for scope in self._scopes:
            for rule in scope.module.rules:
                self.results.setdefault((scope.module.package, rule_name(rule)), _NOTHING)

    def run(self) -> set[InputRead]:
        for _ in range(_MAX_ROUNDS):
            before = dict(self.results), dict(self.parameters)
            self._visit(is_recording=False)
            if before == (self.results, self.parameters):
                break
        self._visit(is_recording=True)
        return self.reads

    def _visit(self, is_recording: bool) -> None:
        for scope in self._scopes:
            scope.is_recording = is_recording
            for rule in scope.module.rules:
                scope.visit_rule(rule)

    def texts(self, atoms: Atoms) -> set[str]:
        """The texts that atoms are known to be."""
        found = {atom.value for atom in atoms if isinstance(atom, Text)}
        for atom in atoms:
            if isinstance(atom, DataPath):
                found.update(value for value in self._values(atom) if isinstance(value, str))
        return found

    def names(self, atoms: Atoms) -> Atoms:
        """The names of the members of data objects."""
        found: Atoms = _NOTHING
        for atom in atoms:
            for value in self._values(atom) if isinstance(atom, DataPath) else ():
                if isinstance(value, dict):
                    found |= {Text(name) for name in value}
        return found

    def _values(self, path: DataPath) -> list[Any]:
        values: list[Any] = [self.data]
        for step in path.steps:
            below: list[Any] = []
            for value in values:
                if isinstance(value, list):
                    below += value
                elif isinstance(value, dict):
                    below += (
                        value.values() if step == ANY else [value[step]] if step in value else []
                    )
            values = below
        return values

    def resolved(self, atoms: Atoms) -> Atoms:
        """Paths of data that are rules, as what the rules give."""
        found: Atoms = _NOTHING
        for atom in atoms:
            own: Atoms = frozenset({atom})
            if isinstance(atom, DataPath) and atom.steps:
                own = self.results.get((atom.steps[:-1], atom.steps[-1]), own)
            found |= own
        return found


class _Scope:
    """One module's rules."""

    def __init__(self, analysis: _Analysis, module: Module) -> None:
        self._analysis = analysis
        self.module = module
        self.is_recording = False
        self._imports: dict[str, Atoms] = {}
        for statement in module.tree.get("imports") or ():
            parts = [str(part["value"]) for part in statement["path"]["value"]]
            alias = statement.get("alias") or parts[-1]
            if parts[0] == "input":
                self._imports[alias] = frozenset({InputPath(tuple(parts[1:]))})
            elif parts[0] == "data":
                self._imports[alias] = frozenset({DataPath(tuple(parts[1:]))})

    # Rules

    def visit_rule(self, rule: Node) -> None:
        """One rule with its else branches."""
        name = (self.module.package, rule_name(dict(rule)))
        branch: Node | None = rule
        while branch is not None:
            head = branch["head"]
            environment: _Environment = {}
            for at, pattern in enumerate(head.get("args") or ()):
                self._bind(
                    pattern, self._analysis.parameters.get((name, at), _NOTHING), environment
                )
            self._body(branch.get("body") or (), environment)
            self._analysis.results[name] |= self._head(head, environment)
            branch = branch.get("else")

    def _head(self, head: Node, environment: _Environment) -> Atoms:
        for part in (head.get("ref") or ())[1:]:
            self._evaluate(part, environment)
        value = self._evaluate(head["value"], environment) if "value" in head else _NOTHING
        if "key" in head and "value" not in head:  # a set: name contains key
            return frozenset({Many(self._evaluate(head["key"], environment))})
        return frozenset({Many(value)}) if len(head.get("ref") or ()) > 1 else value

    def _body(self, body: Iterable[Node], environment: _Environment) -> None:
        """Order means nothing in Rego, so what binds is visited before what reads, twice."""
        is_recording, self.is_recording = self.is_recording, False
        for _ in range(_BIND_PASSES):
            for expression in body:
                self._bind_expression(expression["terms"], environment)
        self.is_recording = is_recording
        for expression in body:
            self._evaluate_expression(expression, environment)

    def _nested(self, body: Sequence[Node], environment: _Environment) -> _Environment:
        inner = dict(environment)
        for expression in body:
            for name in declared(expression["terms"]):
                inner.pop(name, None)
        self._body(body, inner)
        return inner

    # Binding

    def _bind_expression(self, terms: Any, environment: _Environment) -> None:
        if isinstance(terms, list):
            operator = dotted(terms[0])
            if operator in ("assign", "eq") and len(terms) == 3:
                self._bind_pair(terms[1], terms[2], environment)
                if operator == "eq":
                    self._bind_pair(terms[2], terms[1], environment)
        elif "symbols" in terms:
            for symbol in terms["symbols"]:
                if symbol.get("type") == "call":
                    self._bind_member(symbol["value"], environment)

    def _bind_pair(self, pattern: Node, value: Node, environment: _Environment) -> None:
        if pattern.get("type") == "array" and value.get("type") == "array":
            for one, other in zip(pattern["value"], value["value"], strict=False):
                self._bind(one, self._evaluate(other, environment), environment)
        else:
            self._bind(pattern, self._evaluate(value, environment), environment)

    def _bind_member(self, call: Sequence[Node], environment: _Environment) -> None:
        collection = self._evaluate(call[-1], environment)
        self._bind(call[-2], self._items(collection), environment)
        if len(call) == 4:
            self._bind(call[1], self._analysis.names(collection), environment)

    def _bind(self, pattern: Node, atoms: Atoms, environment: _Environment) -> None:
        match pattern.get("type"):
            case "var" if not self._is_global(pattern["value"]):
                name = pattern["value"]
                environment[name] = environment.get(name, _NOTHING) | atoms
            case "array":
                for item in pattern["value"]:
                    self._bind(item, self._items(atoms), environment)
            case "object":
                for key, item in pattern["value"]:
                    self._bind(item, self._step(atoms, key, environment), environment)

    def _is_global(self, name: str) -> bool:
        return (
            name in ("input", "data")
            or name in self._imports
            or name.startswith("$")
            or (self.module.package, name) in self._analysis.results
        )

    # Evaluation

    def _evaluate_expression(self, expression: Node, environment: _Environment) -> None:
        terms = expression["terms"]
        for modifier in expression.get("with") or ():
            self._evaluate(modifier["value"], environment)
        if isinstance(terms, list):
            self._call(terms, environment)
        elif "symbols" in terms:
            for symbol in terms["symbols"]:
                self._evaluate(symbol, environment)
        elif "domain" in terms:
            self._every(terms, environment)
        else:
            self._evaluate(terms, environment)

    def _every(self, terms: Node, environment: _Environment) -> None:
        domain = self._evaluate(terms["domain"], environment)
        inner = dict(environment)
        for part, atoms in (("value", self._items(domain)), ("key", self._analysis.names(domain))):
            if terms.get(part):
                inner.pop(str(terms[part].get("value")), None)
                self._bind(terms[part], atoms, inner)
        self._body(terms["body"], inner)

    def _evaluate(self, term: Any, environment: _Environment) -> Atoms:
        value = term.get("value")
        match term.get("type"):
            case "var":
                return self._variable(value, environment)
            case "string":
                return frozenset({Text(value)})
            case "ref":
                atoms = self._evaluate(value[0], environment)
                for key in value[1:]:
                    atoms = self._step(atoms, key, environment)
                return self._read(atoms, term)
            case "array" | "set":
                return frozenset({Many(self._union(value, environment))})
            case "object":
                self._union([key for key, _ in value], environment)
                return frozenset({Many(self._union([item for _, item in value], environment))})
            case "arraycomprehension" | "setcomprehension" | "objectcomprehension":
                return self._comprehension(value, environment)
            case "call":
                return self._call(value, environment, term)
            case "templatestring":
                for part in value["parts"]:
                    if "terms" in part:
                        self._evaluate_expression(part, environment)
        return _NOTHING

    def _variable(self, name: str, environment: _Environment) -> Atoms:
        if name in environment:
            return environment[name]
        if name == "input":
            return frozenset({InputPath(())})
        if name == "data":
            return frozenset({DataPath(())})
        if name in self._imports:
            return self._analysis.resolved(self._imports[name])
        return self._analysis.results.get((self.module.package, name), _NOTHING)

    def _union(self, terms: Iterable[Node], environment: _Environment) -> Atoms:
        found: Atoms = _NOTHING
        for term in terms:
            found |= self._evaluate(term, environment)
        return found

    def _comprehension(self, value: Node, environment: _Environment) -> Atoms:
        inner = self._nested(value["body"], environment)
        if "term" in value:
            return frozenset({Many(self._evaluate(value["term"], inner))})
        self._evaluate(value["key"], inner)
        return frozenset({Many(self._evaluate(value["value"], inner))})

    def _step(self, atoms: Atoms, key: Node, environment: _Environment) -> Atoms:
        if key.get("type") == "number":
            return self._below(atoms, {INDEX})
        is_wildcard = key.get("type") == "var" and key["value"] not in environment
        known = (
            _NOTHING
            if is_wildcard and not self._is_global(key["value"])
            else self._evaluate(key, environment)
        )
        return self._below(atoms, self._analysis.texts(known) or {ANY})

    def _below(self, atoms: Atoms, steps: Iterable[str]) -> Atoms:
        found: Atoms = _NOTHING
        for atom in atoms:
            match atom:
                case InputPath() if len(atom.steps) < _MAX_STEPS:
                    found |= {InputPath((*atom.steps, step)) for step in steps}
                case DataPath() if len(atom.steps) < _MAX_STEPS:
                    found |= self._analysis.resolved(
                        frozenset(
                            DataPath((*atom.steps, ANY if step == INDEX else step))
                            for step in steps
                        )
                    )
                case Many():
                    found |= atom.items
        return found

    def _items(self, atoms: Atoms) -> Atoms:
        return self._below(atoms, {ANY})

    def _read(self, atoms: Atoms, term: Node) -> Atoms:
        if self.is_recording:
            place = self.module.place(dict(term))
            self._analysis.reads.update(
                InputRead(place, atom.steps) for atom in atoms if isinstance(atom, InputPath)
            )
        return atoms

    # Calls

    def _call(
        self, call: Sequence[Node], environment: _Environment, term: Node | None = None
    ) -> Atoms:
        arguments = [self._evaluate(argument, environment) for argument in call[1:]]
        function = self._function(call[0])
        if function is not None:
            for at, atoms in enumerate(arguments):
                known = self._analysis.parameters.get((function, at), _NOTHING)
                self._analysis.parameters[(function, at)] = known | atoms
            return self._analysis.results[function]
        return self._builtin(dotted(call[0]), call, arguments, environment, term or call[0])

    def _function(self, reference: Node) -> _Name | None:
        if reference.get("type") != "ref":
            return None
        head, *rest = [str(part["value"]) for part in reference["value"]]
        if not rest:
            name = (self.module.package, head)
            return name if name in self._analysis.results else None
        bases = self._imports.get(head, frozenset({DataPath(())}) if head == "data" else _NOTHING)
        for base in bases:
            if isinstance(base, DataPath):
                steps = (*base.steps, *rest)
                if (steps[:-1], steps[-1]) in self._analysis.results:
                    return steps[:-1], steps[-1]
        return None

    def _builtin(
        self,
        name: str,
        call: Sequence[Node],
        arguments: list[Atoms],
        environment: _Environment,
        term: Node,
    ) -> Atoms:
        match name:
            case "object.get":
                keys = call[2]["value"] if call[2].get("type") == "array" else [call[2]]
                atoms = arguments[0]
                for key in keys:
                    atoms = self._step(atoms, key, environment)
                return self._read(atoms, term) | arguments[2]
            case "object.filter":
                names = self._analysis.texts(self._items(arguments[1])) or {ANY}
                self._read(self._below(arguments[0], names), term)
                return arguments[0]
            case "object.keys" | "walk" | "json.filter":
                self._read(self._items(arguments[0]), term)
                return _NOTHING
            case "union" | "intersection" | "object.union_n":
                return self._items(arguments[0])
            case "or" | "and" | "minus" | "object.union" | "object.remove" | "array.concat":
                return frozenset().union(*arguments)
            case "array.slice" | "sort":
                return arguments[0]
        return _NOTHING
