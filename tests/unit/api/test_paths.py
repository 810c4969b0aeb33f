import pytest

from gateway.api.paths import Paths

PATHS = Paths(["/healthz", "/bundles/{name}", "/v1/changes", "/v1/changes/{id}/approve"])


@pytest.mark.parametrize(
    ("path", "template", "parameters"),
    [
        ("/healthz", "/healthz", {}),
        ("/bundles/a", "/bundles/{name}", {"name": "a"}),
        ("/bundles/A.b_c-9", "/bundles/{name}", {"name": "A.b_c-9"}),
        ("/bundles/...", "/bundles/{name}", {"name": "..."}),
        ("/bundles/..a", "/bundles/{name}", {"name": "..a"}),
        ("/bundles/" + "a" * 128, "/bundles/{name}", {"name": "a" * 128}),
        ("/v1/changes", "/v1/changes", {}),
        ("/v1/changes/7/approve", "/v1/changes/{id}/approve", {"id": "7"}),
    ],
)
def test_a_path_has_its_template(path: str, template: str, parameters: dict[str, str]) -> None:
    assert PATHS.find(path) == (template, parameters)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/healthz/", "/Healthz", "healthz", "/healthz\n", "/bundles", "/bundles/"),
        *("/bundles/.", "/bundles/..", "/bundles/a/", "/bundles/a/b", "/bundles/a b"),
        *("/bundles/a\n", "/bundles/ä", "/bundles/٣", "/bundles/a%2fb", "/bundles/{name}"),
        *("/bundles/" + "a" * 129, "x/bundles/a", "/v1/changes/7", "/v1/changes//approve"),
        *("/v1/changes/../approve", "/v1/changes/7/approve/", "/v1/changes/7/8/approve"),
    ],
)
def test_any_other_path_is_nobodys(path: str) -> None:
    assert PATHS.find(path) is None


def test_a_dot_in_a_template_is_a_dot() -> None:
    paths = Paths(["/.well-known/{id}"])
    assert paths.find("/.well-known/a") is not None
    assert paths.find("/xwell-known/a") is None
