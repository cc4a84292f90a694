"""The first step of an upgrade: the images come to the Docker host, and there is room for the copy of the volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailboxes.models import Stack
from mailboxes.stack import bringup, pins, versions
from mailboxes.upgrades import newer, volumes
from quazzar.errors import ImageUnavailable, StackError

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine
    from mailboxes.engine.spec import ServiceSpec, StackSpec
    from mailboxes.models import ImageUpgrade
    from mailboxes.stack.pins import Image


class NothingNewer(StackError):
    """The images that run are the newest."""

    code = "no_newer_images"
    message = "These are the newest images already, so nothing was changed."


class NotComplete(StackError):
    """A container is missing, so nobody knows what to go back to."""

    code = "not_running"
    hint = "Wait until the mail server is healthy, and start the upgrade again."


def run(engine: Engine, upgrade: ImageUpgrade) -> None:
    """Stores what runs and what is to run, with all its images on the Docker host.

    Raises:
        NothingNewer: both are the same.
        ImageUnavailable: an image cannot be fetched.
        StackError: there is no room for the copy, or the Engine does not answer.
    """
    spec = bringup.target(engine, Stack.load()).spec
    before = _running(engine, spec)
    after = {}
    for service in spec.services:
        ref = pins.configured(service.service)
        image_id = _fetched(engine, ref, upgrade)
        after[service.service] = pins.described(engine, ref, image_id) | {"version": ""}
    if all(after[name]["id"] == image["id"] for name, image in before.items()):
        raise NothingNewer
    upgrade.save_values(message="Checking the new images and the room on the disk")
    for name, image in after.items():
        image["version"] = newer.version_of(engine, name, image)
    room = volumes.measure(engine, pins.applied(spec, before))
    upgrade.save_values(before=before, after=after, message=room.sentence)


def _running(engine: Engine, spec: StackSpec) -> dict[str, Image]:
    """Service → the image that its container runs."""
    states, pinned = engine.containers(spec.project), pins.read()
    running = Stack.load().versions
    images = {}
    for service in spec.services:
        state = states.get(service.service)
        if state is None:
            raise NotComplete(f"The container {service.name} is missing.")
        ref = pinned.get(service.service, {}).get("ref") or state.image
        image = pins.described(engine, ref, state.image_id)
        images[service.service] = image | {"version": _version(engine, service, running)}
    return images


def _version(engine: Engine, service: ServiceSpec, known: dict[str, str]) -> str:
    try:
        return versions.ask(engine, service.name, service.service)
    except StackError:  # it is ill, perhaps because of its image
        return known.get(service.service, "")


def _fetched(engine: Engine, ref: str, upgrade: ImageUpgrade) -> str:
    """The id of the newest image of this name; what the Docker host has counts if the registry cannot be asked."""
    local = engine.image_id(ref)
    if local and "@" in ref:
        return local
    try:
        digest = engine.registry_digest(ref)
    except ImageUnavailable:
        if local:
            return local
        digest = ""
    if not local or not any(each.endswith(f"@{digest}") for each in engine.digests(local)):
        engine.pull(ref, lambda percent, sentence: upgrade.save_values(message=f"{sentence} ({percent} %)"))
    image_id = engine.image_id(ref)
    if image_id is None:
        raise ImageUnavailable(f"The image {ref} was removed after it had been fetched.")
    return image_id
