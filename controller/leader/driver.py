"""What a new leader reads before it decides anything."""

import logging

from kube.api import collection_path
from kube.client import Client
from kube.driver import LOAD_BALANCERS
from kube.field_selector import FieldSelector
from kube.objects import ObjectError, Service
from kube.parsing import parse_service

LOG = logging.getLogger("controller.leader")


async def list_services(client: Client) -> tuple[list[Service], str]:
    """Read all Services past any cache, with the version at which they were so."""
    listed, version = [], ""
    selector = FieldSelector(LOAD_BALANCERS)
    async for page in selector.pages(client, collection_path("Service")):
        version = page.resource_version
        for obj in filter(selector.wants, page.items):
            try:
                listed.append(parse_service(obj))
            except ObjectError as error:
                LOG.warning("service not readable", extra={"fields": {"error": str(error)}})
    return listed, version
