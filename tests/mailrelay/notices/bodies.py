"""Posted bodies as the API reads them: what they become, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mailrelay.api.noticeserializers import (
    AlertGroupSerializer,
    BackupReportSerializer,
    SimpleAlertSerializer,
)
from mailrelay.notices.alerts import AlertNotice
from mailrelay.notices.backups import BackupReport
from quazzar.api.exceptions import flattened


def _alert(body: object) -> Any:
    is_group = isinstance(body, Mapping) and "alerts" in body
    return (AlertGroupSerializer if is_group else SimpleAlertSerializer)(data=body)


def _accepted(serializer: Any) -> Any:
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _problems(serializer: Any) -> dict[str, list[str]]:
    assert not serializer.is_valid()
    return flattened(serializer.errors)


def notice(body: object) -> AlertNotice:
    """The notice that a posted alert becomes."""
    made: AlertNotice = _accepted(_alert(body))["notice"]
    return made


def report(body: object) -> BackupReport:
    """The report that a posted backup becomes."""
    made: BackupReport = _accepted(BackupReportSerializer(data=body))["report"]
    return made


def alert_problems(body: object) -> dict[str, list[str]]:
    """Field → sentences about an alert that is refused."""
    return _problems(_alert(body))


def backup_problems(body: object) -> dict[str, list[str]]:
    """Field → sentences about a report that is refused."""
    return _problems(BackupReportSerializer(data=body))
