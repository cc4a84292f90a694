"""/api/mail/mailboxes/import: CSV in, all rows or none."""

from __future__ import annotations

from io import BytesIO
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.parsers import BaseParser, DataAndFiles, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from mailboxes.api.serializers import ImportCheckedSerializer, ImportJobSerializer, ImportStartedSerializer
from mailboxes.csvfiles import importing
from mailboxes.models import ImportJob
from quazzar.api.serializers import UNKNOWN
from quazzar.api.viewsets import ApiViewSet
from quazzar.rights import ADD_MAILBOXES, SEE_IMPORTS

_CSV = "text/csv"
_FILE = "file"
_YES_NO = {"true": True, "1": True, "false": False, "0": False}
EXAMPLE = "address,password,quota_mb,display_name\r\nada@example.com,correct horse battery,1024,Ada\r\n"


class InMemory(FileUploadHandler):
    """Keeps an upload of any size in memory: it contains passwords, which must not be written to disk."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin to keep another file of the form."""
        super().new_file(*args, **kwargs)
        self._kept = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """More of it.

        Raises:
            RequestDataTooBig: it is larger than any other body may be.
        """
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if limit is not None and start + len(raw_data) > limit:
            raise RequestDataTooBig("The file is too large.")
        self._kept.write(raw_data)
        return None

    def file_complete(self, file_size: int) -> UploadedFile:
        """Return the file, kept in memory only."""
        self._kept.seek(0)
        kind, charset = str(self.content_type), self.charset
        return InMemoryUploadedFile(
            self._kept, self.field_name, str(self.file_name), kind, file_size, charset
        )


class CsvParser(BaseParser):
    """The body as it is."""

    media_type = _CSV

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The bytes.

        Raises:
            RequestDataTooBig: there are more than any other body may have.
        """
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        data: bytes = stream.read() if limit is None else stream.read(limit + 1)
        if limit is not None and len(data) > limit:
            raise RequestDataTooBig("The body is too large.")
        return data


class FormParser(MultiPartParser):
    """A form with the file in it."""

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Any = None
    ) -> DataAndFiles[Any, Any]:
        """Return the parsed form; its files stay in memory."""
        request = parser_context["request"]
        request.upload_handlers = [InMemory(request)]
        return super().parse(stream, media_type, parser_context)


class ImportViewSet(RetrieveModelMixin, ApiViewSet):
    """Mailboxes from a CSV file, and the progress of their import."""

    rights: ClassVar = {"create": ADD_MAILBOXES, "retrieve": SEE_IMPORTS}
    tells_result = takes_mail = frozenset({"create"})
    query_names: ClassVar = {"create": ["dry_run"]}
    parser_classes = [CsvParser, FormParser]
    # The rows, which may be many and hold passwords, are the worker's.
    queryset = ImportJob.objects.defer("rows")
    serializer_class = ImportJobSerializer
    page_examples = (("One mailbox", EXAMPLE),)
    page_queries = (("Only check the rows", "dry_run=true"),)

    @extend_schema(
        operation_id="mailbox_import",
        parameters=[
            OpenApiParameter(
                "dry_run", OpenApiTypes.BOOL, description="Only checks the rows and writes nothing."
            )
        ],
        request={
            _CSV: OpenApiTypes.STR,
            "multipart/form-data": {
                "type": "object",
                "properties": {_FILE: {"type": "string", "format": "binary"}},
                "required": [_FILE],
                "additionalProperties": False,
            },
        },
        examples=[OpenApiExample("One mailbox", EXAMPLE, media_type=_CSV, request_only=True)],
        responses={200: ImportCheckedSerializer, 202: ImportStartedSerializer},
    )
    def create(self, request: Request) -> Response:
        """Checks all rows. If all are valid, starts a job that creates all mailboxes or none."""
        dry = _is_dry(request)
        data = _csv_of(request)
        if dry:
            plan = importing.check(data)
            return Response(ImportCheckedSerializer({"ok": True, "rows": len(plan)}).data)
        return Response(ImportStartedSerializer(importing.start(data)).data, status=202)


def _is_dry(request: Request) -> bool:
    asked = request.query_params.get("dry_run", "false").lower()
    if asked not in _YES_NO:
        raise ValidationError({"dry_run": ["This must be true or false."]})
    return _YES_NO[asked]


def _csv_of(request: Request) -> bytes:
    if isinstance(request.data, bytes):
        return request.data
    if not request.content_type.lower().startswith("multipart/"):
        return b""  # no parser is asked about a body of no length
    wrong = {name: [UNKNOWN] for name in request.data if name != _FILE}
    file = request.FILES.get(_FILE)
    if file is None:
        wrong[_FILE] = ["Send the CSV as this file."]
    elif len(request.FILES.getlist(_FILE)) > 1:
        wrong[_FILE] = ["Send one file."]
    if wrong or file is None:
        raise ValidationError(wrong)
    data: bytes = file.read()
    return data
