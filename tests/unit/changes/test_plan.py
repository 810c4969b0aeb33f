import pytest

from gateway.changes.plan import RolloutPlan, plan_steps
from gateway.decisions.lanes import Step
from gateway.errors import ConfigError


def steps_of(plan: RolloutPlan) -> list[tuple[str, str, int]]:
    return [(step.environment, step.region, step.share_permille) for step in plan_steps(plan)]


def test_without_places_a_rollout_has_a_share_and_everybody() -> None:
    assert steps_of(RolloutPlan()) == [("*", "*", 200), ("*", "*", 1000)]


def test_environments_come_in_order_and_the_last_by_its_regions() -> None:
    plan = RolloutPlan(("dev", "test", "production"), ("eu-west-1", "us-east-1"), 100)
    assert steps_of(plan) == [
        ("dev", "*", 100),
        ("dev", "*", 1000),
        ("test", "*", 100),
        ("test", "*", 1000),
        ("production", "eu-west-1", 100),
        ("production", "eu-west-1", 1000),
        ("production", "us-east-1", 100),
        ("production", "us-east-1", 1000),
        ("*", "*", 1000),
    ]


def test_environments_without_regions_end_with_the_last_environment() -> None:
    assert steps_of(RolloutPlan(("dev", "production"))) == [
        ("dev", "*", 200),
        ("dev", "*", 1000),
        ("production", "*", 200),
        ("production", "*", 1000),
    ]


def test_regions_alone_are_those_of_every_environment() -> None:
    assert steps_of(RolloutPlan(regions=("eu-west-1",))) == [
        ("*", "eu-west-1", 200),
        ("*", "eu-west-1", 1000),
        ("*", "*", 1000),
    ]


def test_a_share_of_all_is_one_step() -> None:
    assert plan_steps(RolloutPlan(share_permille=1000)) == (Step("*", "*", 1000),)


def test_too_many_steps_are_refused() -> None:
    environments = tuple(f"e{number}" for number in range(101))
    with pytest.raises(ConfigError, match="202 steps, at most 200"):
        plan_steps(RolloutPlan(environments))
