"""The bar of long commands."""

import pytest

from gateway.progress_bar import show_progress


def test_a_terminal_sees_how_much_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # what is captured counts as a terminal
    monkeypatch.setenv("COLUMNS", "120")
    with show_progress("exporting", "entries") as progress:
        progress(1_500, 30_000)
    told = capsys.readouterr()
    assert "exporting" in told.err
    assert "1,500 of 30,000 entries" in told.err
    assert not told.out


def test_elsewhere_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    with show_progress("exporting", "entries") as progress:
        progress(1_500, 30_000)
    assert capsys.readouterr() == ("", "")
