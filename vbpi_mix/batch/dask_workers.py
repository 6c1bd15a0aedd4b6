"""Loci on the workers of a Dask cluster: one of this machine, or one whose scheduler is running."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from vbpi_mix.batch.locus import LocusTask, do_locus
from vbpi_mix.batch.table import Row, row_of_error
from vbpi_mix.errors import BackendError

LOCAL = "local"
_AHEAD = 4  # tasks of each worker that the scheduler knows


def run_on_dask(
    tasks: Iterable[LocusTask],
    scheduler: str,
    *,
    n_workers: int = 1,
    tries: int = 3,
    memory: int | None = None,
    tell: Any = None,
) -> Iterator[Row]:
    """Rows of tasks, as they end.

    The workers must see the folder of the batch under the same path. Few tasks at a time are known to the scheduler, so
    its memory stays the same however many there are.

    Arguments:
        tasks: Loci.
        scheduler: Address of a scheduler, such as tcp://host:8786; or "local": a cluster of this machine.
        n_workers: Processes of a local cluster.
        tries: Number of times that a locus is begun if its worker dies.
        memory: Bytes for each worker of a local cluster.
        tell: called with a line about the cluster.

    Raises:
        BackendError: Dask is not installed, or there is no scheduler at that address.
    """
    try:
        import dask  # pyright: ignore[reportMissingImports]
        from distributed import Client, LocalCluster, as_completed  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise BackendError(
            "--scheduler needs Dask: pip install 'vbpi_mix[distributed]' (without it, --workers uses this machine)"
        ) from error
    settings: Any = dask.config  # pyright: ignore[reportPrivateImportUsage]
    with ExitStack() as opened:
        opened.enter_context(
            settings.set({"distributed.scheduler.allowed-failures": tries - 1, "distributed.worker.daemon": True})
        )
        try:
            if scheduler == LOCAL:
                cluster: Any = opened.enter_context(
                    LocalCluster(
                        n_workers=n_workers,
                        threads_per_worker=1,
                        memory_limit="auto" if memory is None else memory,
                        dashboard_address=":0",
                        silence_logs=50,
                    )
                )
                client: Any = opened.enter_context(Client(cluster))
            else:
                client = opened.enter_context(Client(scheduler, timeout="30s"))
        except (OSError, ValueError) as error:
            raise BackendError(f"no Dask scheduler at {scheduler}: {error}") from error
        if tell is not None:
            tell(f"Dask: {len(client.scheduler_info()['workers'])} workers, dashboard {client.dashboard_link}")
        waiting = iter(tasks)
        names: dict[str, str] = {}

        def submit(task: LocusTask) -> Any:
            future = client.submit(do_locus, task, pure=False, retries=0)
            names[future.key] = task.locus.name
            return future

        n_ahead = _AHEAD * max(1, len(client.scheduler_info()["workers"]))
        first = [submit(task) for _, task in zip(range(n_ahead), waiting, strict=False)]
        running = as_completed(first)
        del first
        for future in running:
            name = names.pop(future.key)
            if future.status == "finished":
                yield future.result()
            else:
                yield row_of_error(name, "", f"its worker was lost or failed: {future.exception()}")
            future.release()
            task = next(waiting, None)
            if task is not None:
                running.add(submit(task))
