"""A Ray cluster of two nodes on this machine, as a process of its own: `python ray_nodes.py`.

Prints the address and the process id of the second node's raylet, whose children compute. Kills that node when it reads
a line.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "resources": {"first": 1}})
    second = cluster.add_node(**NODE, resources={"second": 1})
    cluster.wait_for_nodes()
    print(cluster.address, second.all_processes["raylet"][0].process.pid, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(second, allow_graceful=False)
        print("removed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
