"""What names look like. The same patterns hold in the API server's schema, here and in the pod."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NAME: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
QUALIFIED_NAME: Final = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE: Final = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
DOMAIN: Final = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
ENVIRONMENT_NAME: Final = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
ENTRYPOINT: Final = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
IMAGE: Final = r"^[^\s]+$"
CAMEL_CASE: Final = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
PRINTABLE: Final = r"^[^\x00-\x1f\x7f]+$"
NO_NUL: Final = r"^[^\x00]*$"
CRON: Final = r"^(@[a-z]+|[^\s]+( +[^\s]+){4})$"
TIME_ZONE: Final = r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"
TIME: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"

MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        NAME: "must be an RFC 1123 label: a-z, 0-9 and '-', with a letter or digit at both ends",
        QUALIFIED_NAME: "must be a label key, such as 'team' or 'example.com/team'",
        LABEL_VALUE: "must be a label value: A-Z, a-z, 0-9, '-', '_', '.', a letter or digit at both ends",
        SUBDOMAIN: "must be an RFC 1123 name: a-z, 0-9, '-' and '.', with a letter or digit at both ends",
        DOMAIN: "must be a domain name in lowercase, such as 'api.example.com' or '*.example.com'",
        ENVIRONMENT_NAME: "must be the name of an environment variable",
        ENTRYPOINT: "must have the form 'package.module:function'",
        IMAGE: "must be an image reference without spaces",
        CAMEL_CASE: "must be one word in CamelCase",
        PRINTABLE: "must not contain control characters",
        NO_NUL: "must not contain a NUL character",
        CRON: "must have five fields ('minute hour day month weekday'), or be a name such as '@daily'",
        TIME_ZONE: "must be a time zone of the IANA database, such as 'Europe/Zurich'",
        TIME: "must be a time with its zone (RFC 3339), such as '2027-01-01T00:00:00Z'",
    }
)
