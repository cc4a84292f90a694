"""How the API shows and takes the options of a domain's records."""

from __future__ import annotations

from rest_framework import serializers

from dnsrecords.models import DomainOptions
from quazzar.api.serializers import StrictSerializer


class OptionsSerializer(StrictSerializer):
    """What was chosen for a domain's records."""

    mta_sts = serializers.ChoiceField(
        choices=DomainOptions.MtaSts.values,
        required=False,
        help_text="The mode of the MTA-STS policy; off: neither policy nor records.",
    )
