"""The form of an expected report."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from mailrelay.expected import changes, schedules
from mailrelay.models import ExpectedReport
from quazzar.console.forms import INPUT, SavingForm, text_input

_UNITS = (("1", "minutes"), ("60", "hours"), ("1440", "days"))
_KINDS = (
    ("every", "After an interval"),
    ("daily", "Daily"),
    ("weekdays", "On weekdays, Monday to Friday"),
    ("weekly", "On some days of the week"),
    ("monthly", "Monthly, on a day"),
    ("weekday", "Monthly, on a weekday"),
)
_MONTH_DAYS = (*((str(day), str(day)) for day in range(1, 31)), ("31", "the last day"))
_DAYS = [(day.lower(), day) for day in schedules.DAYS]
_WEEKS = [(week, f"the {week}") for week in schedules.WEEKS]
_MUTES = (
    ("keep", ""),
    ("", "Not muted"),
    ("60", "For 1 hour"),
    ("480", "For 8 hours"),
    ("1440", "For a day"),
    ("10080", "For a week"),
    ("43200", "For 30 days"),
)


def _select(choices: Any, **options: Any) -> forms.ChoiceField:
    return forms.ChoiceField(choices=choices, widget=forms.Select(attrs=INPUT), **options)


def _number(initial: int) -> forms.IntegerField:
    error = {"invalid": "Enter a whole number.", "min_value": "Enter 1 or more."}
    widget = forms.NumberInput(attrs={**INPUT, "min": 1, "inputmode": "numeric"})
    return forms.IntegerField(
        required=False, min_value=1, initial=initial, widget=widget, error_messages=error
    )


class ReportForm(SavingForm):
    """Name, schedule and tolerance; for a new report also what to match, for a known one until when it is muted."""

    name = forms.CharField(
        widget=text_input(placeholder="nightly-backup"), error_messages={"required": "Enter a name."}
    )
    kind = _select(ExpectedReport.Kind.choices, initial=ExpectedReport.Kind.ANY, required=False)
    match = forms.CharField(widget=text_input(placeholder="the same as the name"), required=False)
    schedule = _select(_KINDS, initial="daily")
    every = _number(1)
    every_unit = _select(_UNITS, initial="60", required=False)
    at = forms.CharField(
        widget=forms.TextInput(attrs={**INPUT, "type": "time"}), required=False, initial="02:00"
    )
    days = forms.MultipleChoiceField(choices=_DAYS, widget=forms.CheckboxSelectMultiple, required=False)
    day = _select(_MONTH_DAYS, required=False)
    week = _select(_WEEKS, required=False)
    weekday = _select(_DAYS, required=False)
    tolerance = _number(20)
    tolerance_unit = _select(_UNITS, initial="1", required=False)
    mute = _select(_MUTES, required=False)

    def __init__(self, data: Any = None, *, row: ExpectedReport | None = None) -> None:
        self.row = row
        super().__init__(data, initial=initial(row) if row else {})
        if row is None:
            del self.fields["mute"]
        else:
            del self.fields["kind"], self.fields["match"]
            muted = row.muted_until is not None and row.muted_until > timezone.now()
            kept = [("keep", "As it is")] if muted else []
            field = self.fields["mute"]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [*kept, *_MUTES[1:]]

    def save(self) -> ExpectedReport | None:
        """Declare the report, or change the one there is."""
        return self.attempt(self._save)

    def _save(self, values: dict[str, Any]) -> ExpectedReport:
        wanted = {
            "name": values["name"],
            "schedule": stored(values),
            "tolerance": _minutes(values["tolerance"], values["tolerance_unit"]),
        }
        if self.row is None:
            return changes.declare(
                {**wanted, "kind": values["kind"] or ExpectedReport.Kind.ANY, "match": values["match"]}
            )
        if values["mute"] != "keep":
            until = timezone.now() + timedelta(minutes=int(values["mute"])) if values["mute"] else None
            wanted["muted_until"] = until
        return changes.change(self.row.pk, wanted)


def initial(row: ExpectedReport) -> dict[str, Any]:
    """The form's initial values for a row."""
    stored = row.schedule or {}
    kind = "weekday" if "week" in stored else stored.get("kind", "daily")
    every, every_unit = _split(int(stored.get("minutes", 60)))
    tolerance, tolerance_unit = _split(row.tolerance)
    shown = {name: str(stored[name]) for name in ("at", "day", "week", "weekday") if name in stored}
    muted = row.muted_until is not None and row.muted_until > timezone.now()
    return {
        **shown,
        "name": row.name,
        "schedule": kind,
        "days": stored.get("days", []),
        "every": every,
        "every_unit": every_unit,
        "tolerance": tolerance,
        "tolerance_unit": tolerance_unit,
        "mute": "keep" if muted else "",
    }


def stored(values: dict[str, Any]) -> dict[str, Any]:
    """The chosen schedule in the form that the domain expects."""
    match values["schedule"]:
        case "every":
            return {"kind": "every", "minutes": _minutes(values["every"], values["every_unit"])}
        case "weekly":
            return {"kind": "weekly", "days": values["days"], "at": values["at"]}
        case "monthly":
            return {"kind": "monthly", "day": int(values["day"] or 1), "at": values["at"]}
        case "weekday":
            by = {"week": values["week"] or "first", "weekday": values["weekday"] or "monday"}
            return {"kind": "monthly", **by, "at": values["at"]}
        case kind:
            return {"kind": kind, "at": values["at"]}


def _minutes(number: int | None, unit: str) -> int | None:
    return None if number is None else number * int(unit or 1)


def _split(minutes: int) -> tuple[int, str]:
    """A number of minutes as a whole number of the largest possible unit."""
    unit = next(unit for unit in (1440, 60, 1) if minutes % unit == 0)
    return minutes // unit, str(unit)
