from tests.azure import local_azure

__all__ = ["local_azure"]
