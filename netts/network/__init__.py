"""Networks: layers and their edges, parameters in one arena, prediction."""

from netts.network.network import Network

__all__ = ["Network"]
