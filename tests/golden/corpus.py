"""The generated part of the corpus: questions made from the data tables, so that every row, rule,
region and edge is asked about, and a new row is covered as soon as it stands in a table.

Nothing here decides anything. The same tables and seed give the same questions.
"""

import itertools
import json
import random
from collections.abc import Iterable, Iterator
from typing import Any

from tests.golden.cases import (
    ACTIONS,
    HOME,
    PLAIN,
    SOURCES,
    TIERS,
    Case,
    environments,
    open_windows,
    pattern_rows,
    propose,
    representatives,
    sender_under,
)
from tests.golden.patterns import examples
from tests.golden.regions import jurisdictions
from tests.golden.tables import Tables

SEED = 20261125
RANDOM_PROPOSALS = 500
MAX_BATCH = 50
NAMES_PER_REGION = 3
UNLISTED = ("nowhere-1", "us-east", "EU-WEST-1", "eu-west-1 ")


def make_questions(tables: Tables, seed: int = SEED) -> list[dict[str, Any]]:
    """The corpus: cases of one sender and time are one question, at most 50 proposals each."""
    generator = random.Random(seed)
    parts = (
        _rows(tables),
        _attributes(tables),
        _senders(tables),
        _windows(tables),
        _scores(tables),
        _identities(tables),
        _truncated(tables),
        _odd_proposals(),
        _odd_senders(tables),
        _random(tables, generator),
    )
    return _gather(itertools.chain.from_iterable(parts))


def _gather(cases: Iterable[Case]) -> list[dict[str, Any]]:
    by_sender: dict[str, list[Any]] = {}
    seen: set[str] = set()
    for case in cases:
        key = json.dumps([case.subject, case.context], sort_keys=True)
        whole = json.dumps([key, case.proposal], sort_keys=True)
        if whole not in seen:
            seen.add(whole)
            by_sender.setdefault(key, []).append(case.proposal)
    questions = []
    for key, proposals in by_sender.items():
        subject, context = json.loads(key)
        for start in range(0, len(proposals), MAX_BATCH):
            batch = [
                {"ref": str(at), **proposal} if isinstance(proposal, dict) else proposal
                for at, proposal in enumerate(proposals[start : start + MAX_BATCH])
            ]
            # A proposal that brings a ref of None is one without.
            batch = [_without_ref(proposal) for proposal in batch]
            questions.append({"subject": subject, "context": context, "proposals": batch})
    return questions


def _without_ref(proposal: Any) -> Any:
    if isinstance(proposal, dict) and proposal["ref"] is None:
        return {name: value for name, value in proposal.items() if name != "ref"}
    return proposal


def _rows(tables: Tables) -> Iterator[Case]:
    """Each text that a row matches, and texts that only look like it, from a sender that the
    row is about."""
    actions = itertools.cycle(ACTIONS)
    for table, row in pattern_rows(tables):
        texts = examples(row)
        names = [f"{texts[0]}-eu-1", texts[0].upper(), f"-{texts[0]}"]
        for text in texts:
            names += [text, f"x{text}", f"{text}x", text[:-1]]
        for name in names:
            yield Case(sender_under(tables, table), open_windows(), propose(name, next(actions)))


def _attributes(tables: Tables) -> Iterator[Case]:
    """The same name in each attribute, and in some that carry none."""
    carriers = tables.by_name["names"]
    whole, executable = carriers["whole"], carriers["executable"]
    others = sorted(set(tables.by_name["class"]["attributes"]) - {*whole, *executable})
    for name in representatives(tables)[: len(ACTIONS)]:
        for attribute in dict.fromkeys([*whole, *executable, *others, "k8s.pod.label.other"]):
            for text in (name, f"/opt/{name}", f"/opt/{name}/", f"{name}/bin/run", name.title()):
                process = {"service.name": PLAIN, attribute: text}
                yield Case(HOME, open_windows(), {**propose(), "process": process})
        odd_names: list[Any] = [7, None, True, [name], {"name": name}]
        for odd in odd_names:
            strange = {"service.name": PLAIN, "process.executable.name": odd}
            yield Case(HOME, open_windows(), {**propose(), "process": strange})


def _senders(tables: Tables) -> Iterator[Case]:
    """Each region and environment, for a process in no scope and some in the scope of a family."""
    names = representatives(tables)
    tiers = itertools.cycle(TIERS)
    turns = itertools.cycle(names)
    for region in [*sorted(jurisdictions(tables)), *UNLISTED]:
        subject = {**HOME, "region": region, "tier": next(tiers)}
        for name in (PLAIN, *itertools.islice(turns, NAMES_PER_REGION)):
            yield Case(subject, open_windows(), propose(name))
    for region in ("us-east-1", "eu-west-1", UNLISTED[0]):
        for environment in environments(tables):
            subject = {"environment": environment, "region": region, "tier": next(tiers)}
            yield from (Case(subject, open_windows(), propose(name)) for name in names)
    yield from _reached(tables)


def _reached(tables: Tables) -> Iterator[Case]:
    """Each family's process in one region of each jurisdiction that the family names."""
    regions = {law: name for name, laws in jurisdictions(tables).items() for law in laws}
    for _, family in tables.families:
        rows = [*family.get("services", []), *family.get("never_filter", [])]
        for law in family["family"].get("applies_to", {}).get("jurisdictions", []):
            for row in rows[:1]:
                subject = {**HOME, "region": regions.get(law, UNLISTED[0])}
                yield Case(subject, open_windows(), propose(examples(row)[0]))


def _windows(tables: Tables) -> Iterator[Case]:
    trading = tables.by_name["trading"]
    window = trading["window"]
    contexts: list[Any] = [
        open_windows(),
        open_windows(window),
        open_windows("other-hours", window),
        open_windows("other-hours", window.upper()),
        {"time": {"windows": None}},
        {"time": {"windows": {window: True}}},
        {"time": {}},
        {"time": "now"},
        {},
        None,
    ]
    for context, row in itertools.product(contexts, trading["services"]):
        least = row["sample_permille"]
        shares = [("sample", least + change) for change in (-1, 0, 1)]
        for action in (*ACTIONS, *shares):
            yield Case(HOME, context, propose(examples(row)[0] + "eu", action))
            yield Case(HOME, context, propose(PLAIN, action))
    both = propose(examples(trading["services"][0])[0], ("sample", 10))
    both["process"]["service.name"] = examples(trading["services"][-1])[0]
    # Soft protection beside advice, which neither weakens it nor is weakened.
    advised = propose(examples(trading["services"][0])[0], ("sample", 10))
    advised["process"]["service.name"] = examples(tables.by_name["importance"]["services"][0])[0]
    for context, proposal in itertools.product(contexts[:3], (both, advised)):
        yield Case(HOME, context, proposal)
        yield Case(HOME, context, {**proposal, "score": 1000})


def _scores(tables: Tables) -> Iterator[Case]:
    limits = {0, 1000, *tables.by_name["class"]["score_edges"]}
    limits.add(tables.by_name["baseline"]["critical_score"]["at_least"])
    rows = tables.by_name["importance"]["services"]
    limits |= {row["importance_permille"] for row in rows}
    scores = sorted({limit + change for limit in limits for change in (-1, 0, 1)})
    names = [PLAIN, *(examples(row)[0] for row in rows)]
    for score, name, action in itertools.product(scores, names, ACTIONS[:3]):
        yield Case(HOME, open_windows(), propose(name, action, score))


def _identities(tables: Tables) -> Iterator[Case]:
    """Interpreters: what tells their purpose, and what only seems to."""
    rows = tables.by_name["baseline"]["unknown_interpreter"]["interpreters"]
    identities: list[Any] = ["billing", "java", "JAVA", "bash.exe", "", None, 7]
    for row in rows:
        name = examples(row)[0]
        for source, identity in itertools.product((*SOURCES, None), identities[:3]):
            yield _identified(name, f"/usr/bin/{name}", identity, source)
    sources: list[Any] = [*SOURCES, "truncated", None, 7]
    for told_by, identity in itertools.product(sources, identities):
        yield _identified("python3.11", None, identity, told_by)
        yield _identified(None, "/usr/lib/jvm/bin/java", identity, told_by)
        yield _identified(PLAIN, f"/usr/bin/{PLAIN}", identity, told_by)
        yield _identified(None, None, identity, told_by)


def _identified(name: Any, path: Any, identity: Any, source: Any) -> Case:
    process = {
        "process.executable.name": name,
        "process.executable.path": path,
        "compliance.process.identity": identity,
        "compliance.process.identity_source": source,
    }
    present = {key: value for key, value in process.items() if value is not None}
    return Case(HOME, open_windows(), {**propose(), "process": present})


def _truncated(tables: Tables) -> Iterator[Case]:
    """Names cut to the 15 bytes that Linux keeps, said to be so or not."""
    for name in representatives(tables):
        for text in (name[:15], f"{name}-continued"[:15]):
            for source in ("truncated", "executable"):
                yield _identified(text, None, text, source)


def _odd_proposals() -> Iterator[Case]:
    odd: list[Any] = ["text", None, 7, [], [propose(PLAIN)], True]
    for proposal in odd:
        yield Case(HOME, open_windows(), proposal)
    plain = propose(PLAIN)
    values: list[Any] = [None, True, False, "x", "", 0, 1, -1, 0.5, 999.5, 1001, 1e300, [], {}]
    for member in ("process", "action", "sample_permille", "score", "profile"):
        yield Case(HOME, open_windows(), {k: v for k, v in plain.items() if k != member})
        for value in values:
            yield Case(HOME, open_windows(), {**plain, member: value})
            sampled = {**plain, "action": "sample", "sample_permille": 500, member: value}
            yield Case(HOME, open_windows(), sampled)
    for action, share in itertools.product(("drop", "sample", "keep"), (0, 1, 500, 999, 1000)):
        yield Case(HOME, open_windows(), propose(PLAIN, (action, share)))
    yield Case(HOME, open_windows(), {**plain, "ref": None})
    yield Case(HOME, open_windows(), {**plain, "pid": 1, "collector": "c-1"})


def _odd_senders(tables: Tables) -> Iterator[Case]:
    subjects: list[Any] = [{}, None, "collector", [], 7]
    values: list[Any] = ["", None, 7, True, ["eu-west-1"], {}]
    for member in HOME:
        subjects.append({k: v for k, v in HOME.items() if k != member})
        subjects += [{**HOME, member: value} for value in values]
    for subject in subjects:
        for name in (PLAIN, *representatives(tables)[1:4]):
            yield Case(subject, open_windows(), propose(name))


def _random(tables: Tables, generator: random.Random) -> Iterator[Case]:
    """Mixtures that nobody thought of: two names, any sender, any share."""
    texts = [text for _, row in pattern_rows(tables) for text in examples(row)]
    names = [*texts, PLAIN, "", "Ω-service", "İstanbul", "a b", "payment\ngateway-1", "auditd\n"]
    attributes = sorted(tables.by_name["class"]["attributes"])
    regions = [*sorted(jurisdictions(tables)), "nowhere-1"]
    window = tables.by_name["trading"]["window"]
    senders = [
        {
            "environment": generator.choice(environments(tables)),
            "region": generator.choice(regions),
            "tier": generator.choice(TIERS),
        }
        for _ in range(40)
    ]
    for _ in range(RANDOM_PROPOSALS):
        process = {name: generator.choice(names) for name in generator.sample(attributes, 3)}
        share = generator.randint(1, 999)
        action = generator.choice([("drop", 0), ("sample", share), ("keep", 1000)])
        score = generator.choice([250, 500, 750, 900, 1000])
        context = open_windows(*([window] if generator.random() < 0.5 else []))
        proposal = {**propose(None, action, score), "process": process}
        yield Case(generator.choice(senders), context, proposal)
