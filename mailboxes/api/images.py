"""/api/mail/stack/images: which images run, whether there are newer ones, and upgrades to them."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from mailboxes.api.serializers import ProblemSerializer
from mailboxes.models import ImageUpgrade, StackImage
from mailboxes.upgrades import newer, requests
from quazzar.api.serializers import NoBody
from quazzar.api.viewsets import ApiViewSet
from quazzar.rights import CHANGE_SERVER, SEE_SERVER

_POST: dict[str, Any] = {"detail": False, "methods": ["post"], "serializer_class": NoBody}


class NewerSerializer(serializers.Serializer[Any]):
    """A newer image."""

    ref = serializers.CharField(help_text="Its name, as the setting has it.")
    id = serializers.CharField(allow_blank=True, help_text="Empty until it is on the Docker host.")
    digest = serializers.CharField(allow_blank=True, help_text="As its registry has it; empty if unknown.")
    version = serializers.CharField(allow_blank=True, help_text="Empty until it is on the Docker host.")
    where = serializers.ChoiceField(
        choices=["setting", "docker", "registry"],
        help_text="setting: QUAZZAR_IMAGE_… names another image. docker, registry: the same name has another "
        "image there.",
    )


class StackImageSerializer(serializers.Serializer[StackImage]):
    """The image of a service that runs."""

    service = serializers.CharField()
    ref = serializers.CharField(help_text="The name by which it was chosen.")
    id = serializers.CharField(source="image_id", help_text="What the container is created from.")
    digest = serializers.CharField(help_text="As its registry has it; empty if unknown.")
    newer = NewerSerializer(allow_null=True, help_text="Null if none was found.")
    looked_at = serializers.DateTimeField(allow_null=True, help_text="Null if it was never looked for.")
    problem = serializers.CharField(allow_blank=True, help_text="Why its registry could not be asked.")


class StepSerializer(serializers.Serializer[Any]):
    """When a step began."""

    state = serializers.ChoiceField(choices=ImageUpgrade.State.choices)
    at = serializers.DateTimeField()


class ProofSerializer(serializers.Serializer[Any]):
    """Something that was tried with the new containers."""

    id = serializers.CharField()
    ok = serializers.BooleanField()
    message = serializers.CharField()


class ImageUpgradeSerializer(serializers.Serializer[ImageUpgrade]):
    """The upgrade under way, or the last one."""

    state = serializers.ChoiceField(choices=ImageUpgrade.State.choices)
    message = serializers.CharField(help_text="What is being done now.")
    steps = StepSerializer(many=True)
    proofs = ProofSerializer(many=True)
    failed_at = serializers.CharField(help_text="The step that failed; empty if none did.")
    error = ProblemSerializer(allow_null=True)
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class StackImagesSerializer(serializers.Serializer[Any]):
    """The images that run, and the upgrade under way or the last one."""

    images = StackImageSerializer(many=True)
    upgrade = serializers.SerializerMethodField()

    @extend_schema_field(ImageUpgradeSerializer(allow_null=True))
    def get_upgrade(self, found: Any) -> Any:
        """Return the latest upgrade; null if there never was one."""
        upgrade = requests.latest()
        return None if upgrade is None else ImageUpgradeSerializer(upgrade).data


class StackImagesViewSet(ApiViewSet):
    """The images of the mail server."""

    rights: ClassVar = {"retrieve": SEE_SERVER, **dict.fromkeys(("look", "upgrade"), CHANGE_SERVER)}
    serializer_class = NoBody
    answer_class = StackImagesSerializer

    def retrieve(self, request: Request) -> Response:
        """Which images run, what was found when newer ones were last looked for, and the latest upgrade."""
        return self._images()

    @action(**_POST)
    def look(self, request: Request) -> Response:
        """Looks for newer images: in the settings, on the Docker host, and in their registries, for some seconds."""
        newer.look()
        return self._images()

    @action(**_POST, answer_status=202)
    def upgrade(self, request: Request) -> Response:
        """Upgrades to the images that the settings name, or rolls back. Mail waits for about a minute."""
        requests.start()
        return self._images()

    def _images(self) -> Response:
        return self.answer({"images": list(StackImage.objects.all())})
