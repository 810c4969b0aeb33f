"""A law for nowhere protects nobody."""

import pytest

from gateway.authoring.data_files import merge_documents
from gateway.authoring.finding import Finding
from gateway.authoring.rows import find_rows
from gateway.authoring.scopes import check_scopes
from tests.unit.authoring.planted import document

REGIONS = """\
places: {bern: [ch], rome: [eu, it]}
regions: {switzerlandnorth: bern}
sites:
  - {id: s, region: dc-rome, place: rome}
"""


def check(text: str, regions: str = REGIONS) -> list[Finding]:
    documents = [document(text, "data/law/data.yaml"), document(regions, "data/regions/data.yaml")]
    files = {documents[0].file: text.encode(), documents[1].file: regions.encode()}
    tree, problems = merge_documents(files, documents)
    assert problems == []
    return check_scopes(find_rows(documents), tree)


@pytest.mark.parametrize(
    ("text", "column", "message", "mend"),
    [
        (
            "family: {owner: t, applies_to: {jurisdictions: [ch, itt]}}",
            53,
            "no place of data/regions lies in jurisdiction itt, so this reaches nobody",
            "write 'it', or add it to data/regions",
        ),
        (
            "family: {owner: t}\nmasks: [{id: a, applies_to: {regions: [switzerlandnort]}}]",
            40,
            "data/regions does not list region switzerlandnort, so this reaches nobody",
            "write 'switzerlandnorth', or add it to data/regions",
        ),
        (
            "family: {owner: t}\nresidency: [{id: a, jurisdictions: [moon]}]",
            37,
            "no place of data/regions lies in jurisdiction moon, so this reaches nobody",
            "add it to data/regions",
        ),
    ],
)
def test_what_no_table_has_is_told(text: str, column: int, message: str, mend: str) -> None:
    (finding,) = check(text)
    assert (finding.rule, finding.column) == ("scope-unknown", column)
    assert (finding.message, finding.mend) == (message, mend)


def test_what_a_table_has_is_fine() -> None:
    text = """\
family: {owner: t, applies_to: {jurisdictions: [ch, it], environments: [anything]}}
masks: [{id: a, applies_to: {regions: [dc-rome, switzerlandnorth]}}]
residency: [{id: b, jurisdictions: [eu]}]
"""
    assert check(text) == []


def test_a_site_lies_somewhere() -> None:
    (finding,) = check("a: 1", REGIONS.replace("place: rome", "place: roma"))
    assert finding.message == "data/regions has no place roma"
    assert finding.mend == "write 'rome', or add it to data/regions"


def test_without_a_table_of_regions_nothing_is_told() -> None:
    text = "family: {owner: t, applies_to: {jurisdictions: [x]}}"
    assert check_scopes(find_rows([document(text, "data/law/data.yaml")]), {"data": {}}) == []
    assert [one.rule for one in check(text, "places: 1\nregions: []\nsites: {a: b}")] == [
        "scope-unknown"
    ]
