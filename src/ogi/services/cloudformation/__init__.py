"""CloudFormation: stacks of resources, made by asking the neighbours for them."""

from ogi.services.cloudformation import api, api_changesets, api_views, duties
from ogi.services.cloudformation.service import SERVICE

__all__ = ["SERVICE", "api", "api_changesets", "api_views", "duties"]
