"""The launcher of a cluster: each attempt is a pod.

What it keeps in memory is what the store has told, seen from the side of attempts. It begins with a list of all pods,
and whether a pod is gone is asked of the API server itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from holdfast.contract.resources.task import VersionPolicy
from holdfast.domain.errors import ControlError, LaunchError
from holdfast_engine.backoff import Backoff
from holdfast_engine.launcher import AttemptId, Exit, Launch
from holdfast_operator.apply.task_run_of_run import TaskRunOfRun
from holdfast_operator.build.pod import PodSettings, build_pod
from holdfast_operator.decide.pod_end import exit_of
from holdfast_operator.kinds import PODS, TASK_QUEUES, Kind, Object
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import AlreadyExists, KubeError, NotFound
from holdfast_operator.objects import uid_of
from holdfast_operator.pod_selector import POD_SELECTOR, STRAY_SELECTOR, is_stray, with_label
from holdfast_operator.pods import PodView, pod_view
from holdfast_operator.rows import TaskRunRows
from holdfast_operator.run_namespaces import RunNamespaces
from holdfast_operator.store import Store
from holdfast_operator.trim import trimmed

_logger = logging.getLogger("holdfast.operator")


class PodLauncher:
    """Makes and ends the pods of attempts.

    Args:
        kube: the cluster.
        store: tells of pods, and learns at once of those that are made here.
        rows: inputs of commands.
        owners: the TaskRuns that the pods belong to.
        settings: what all pods have in common.
        namespaces: where its pods are; ``None`` among them: everywhere.
        max_pods: how many may live at the same time.
        name: the same from one life to the next.
    """

    def __init__(
        self,
        kube: Kube,
        store: Store,
        rows: TaskRunRows,
        owners: TaskRunOfRun,
        settings: PodSettings,
        *,
        namespaces: Sequence[str | None] = (None,),
        max_pods: int = 5000,
        name: str = "kubernetes",
    ) -> None:
        self._kube = kube
        self._store = store
        self._rows = rows
        self._owners = owners
        self._settings = settings
        self._namespaces = namespaces
        self._max_pods = max_pods
        self._name = name
        self._live: dict[AttemptId, PodView] = {}
        self._exits: dict[AttemptId, Exit] = {}
        self._released: set[str] = set()
        """Uids of pods whose attempts are over, and which are there."""
        self._strays: list[PodView] = []
        """Live pods without the label by which they are watched, found by the last look."""
        self._stopping: dict[AttemptId, float] = {}
        """The grace with which a pod was asked to end."""
        self._confirming: dict[AttemptId, asyncio.Task[None]] = {}
        self._run_namespaces = RunNamespaces(rows, self._see_pods_of)
        self._on_exit: Callable[[], None] = lambda: None
        self._is_started = False

    @property
    def name(self) -> str:
        """Who it is, the same from one life to the next."""
        return self._name

    async def start(self, on_exit: Callable[[], None]) -> None:
        """Adopt the pods that are there.

        Raises:
            LaunchError: they cannot be listed.
            UnavailableError: the database cannot say whose they are.
        """
        self._on_exit = on_exit
        await self._list()
        if not self._is_started:
            self._is_started = True
            self._store.on_change(self._see)
        self._see_all()

    async def launch(self, launch: Launch) -> None:
        """Make the pod of an attempt. Does nothing if it was made before.

        Raises:
            LaunchError: the API server refuses it, in its own words.
        """
        self._run_namespaces.note(launch.id.run_id, launch.namespace)
        if launch.id in self._live or launch.id in self._exits:
            return
        try:
            owner = await self._owners.task_run(launch)
            body = await self._body(launch, owner)
            pod = await self._create(launch, body)
        except (KubeError, ControlError) as error:
            raise LaunchError(f"the pod of attempt {launch.id.attempt} cannot be made: {error}") from error
        # Again: the pod of an earlier attempt may have gone meanwhile.
        self._run_namespaces.note(launch.id.run_id, launch.namespace)
        self._store.put(PODS, pod)

    async def stop(self, id: AttemptId, grace_seconds: float) -> None:
        """Delete a pod: SIGTERM, and SIGKILL after the grace; returns at once."""
        pod = self._live.get(id)
        if pod is None or self._stopping.get(id, float("inf")) <= grace_seconds:
            return
        # Kubernetes takes whole seconds, and 0 would not wait for the kubelet to end it.
        whole_seconds = max(1, round(grace_seconds))
        try:
            await self._kube.delete(PODS, pod.namespace, pod.name, uid=pod.uid, grace_seconds=whole_seconds)
        except KubeError as error:
            # The engine asks again at its next look; the other pods are not held up.
            _logger.warning("pod %s/%s cannot be deleted: %s", pod.namespace, pod.name, error.message)
            return
        self._stopping[id] = grace_seconds

    def capacity(self) -> int:
        """How many more pods it takes now."""
        return max(0, self._max_pods - len(self._live))

    def live(self) -> Collection[AttemptId]:
        """The attempts whose pods live, as far as it knows."""
        return list(self._live)

    async def look(self) -> None:
        """List the pods: a leader that does not know yet that it is none may have made some.

        Raises:
            LaunchError: they cannot be listed.
            UnavailableError: the database cannot say whose they are.
        """
        await self._list()
        self._see_all()

    def exits(self) -> Sequence[Exit]:
        """The pods that are over or gone, and not yet released."""
        return list(self._exits.values())

    async def release(self, id: AttemptId) -> None:
        """Forget a pod that is over: what it means is recorded. It stays for people to look at for a while."""
        self._exits.pop(id, None)
        self._stopping.pop(id, None)

    async def drain(self, grace_seconds: float) -> None:
        """Nothing: pods go on without the operator."""

    async def aclose(self) -> None:
        """Let go of everything; the pods go on. May come twice, or before `start`."""
        tasks = list(self._confirming.values())
        self._confirming.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._run_namespaces.aclose()

    async def _list(self) -> None:
        strays: list[Object] = []
        try:
            for namespace in self._namespaces:
                listing = await self._kube.listing(PODS, namespace, labels=POD_SELECTOR, trim=trimmed)
                for pod in listing.items:
                    self._store.put(PODS, pod)
                strays += await self._kube.list(PODS, namespace, labels=STRAY_SELECTOR)
        except KubeError as error:
            raise LaunchError(f"the pods cannot be listed: {error.message}") from error
        views = [pod_view(pod) for pod in self._store.all(PODS)]
        found = [pod_view(with_label(pod)) for pod in strays]
        self._strays = [view for view in found if view is not None and not view.has_ended]
        await self._run_namespaces.learn({view.run_id for view in (*views, *self._strays) if view is not None})

    def _see_all(self) -> None:
        for pod in list(self._store.all(PODS)):
            self._see(PODS, pod, False)
        for stray in self._strays:
            id = AttemptId(stray.run_id, stray.attempt)
            if id not in self._live and self._run_namespaces.is_in(stray.run_id, stray.namespace):
                self._live[id] = stray
                self._lose(id, stray)

    async def _body(self, launch: Launch, owner: Object) -> dict[str, Any]:
        queue = self._store.get(TASK_QUEUES, launch.namespace, launch.queue)
        defaults = {} if queue is None else queue["spec"].get("podDefaults") or {}
        input_text = None
        if launch.template.get("command"):
            input_text = await self._rows.input_text(launch.id.run_id)
        return build_pod(
            launch,
            owner,
            self._settings,
            queue_defaults=defaults,
            pinned_image=self._pinned_image(launch, owner),
            input_text=input_text,
        )

    def _pinned_image(self, launch: Launch, owner: Object) -> str | None:
        """The image of the first attempt by its digest, so that a deploy cannot break a run in flight."""
        if launch.id.attempt == 1 or launch.template.get("versionPolicy") == VersionPolicy.LATEST:
            return None
        image_id: str | None = (owner.get("status") or {}).get("imageID") or self._owners.image_of(launch.id.run_id)
        # Without a name before the digest, it is one that only the node knew.
        return image_id if image_id is not None and "@sha256:" in image_id else None

    async def _create(self, launch: Launch, body: dict[str, Any]) -> Object:
        try:
            return await self._kube.create(PODS, launch.namespace, body)
        except AlreadyExists:
            name = body["metadata"]["name"]
            pod = await self._kube.get(PODS, launch.namespace, name)
            view = pod_view(pod)
            if view is not None and (view.run_id, view.attempt) == launch.id:
                return pod
            raise LaunchError(
                f"a pod named {name} exists that does not belong to attempt {launch.id.attempt} of this run. "
                "Delete it, or wait until it is gone"
            ) from None

    def _see(self, kind: Kind, object: Object, is_deleted: bool) -> None:
        """A listener of the store."""
        if kind != PODS:
            return
        pod = pod_view(object)
        # A pod of another namespace than its run's is forged, and says nothing about it.
        if pod is None or not self._run_namespaces.is_in(pod.run_id, pod.namespace):
            return
        id = AttemptId(pod.run_id, pod.attempt)
        if pod.attempt_container is not None and pod.attempt_container.image_id:
            self._owners.note_image(pod.run_id, pod.attempt_container.image_id)
        if is_deleted:
            self._lose(id, pod)
        elif not pod.has_ended:
            self._live[id] = pod
        elif pod.uid not in self._released:
            self._end(id, pod, exit_of(pod))

        if is_deleted and not self._store.pods_of(str(pod.run_id)):
            self._run_namespaces.forget(pod.run_id)

    def _see_pods_of(self, run_id: UUID) -> None:
        pods = self._store.pods_of(str(run_id))
        for pod in pods:
            self._see(PODS, pod, False)
        if not pods:
            self._run_namespaces.forget(run_id)

    def _lose(self, id: AttemptId, pod: PodView) -> None:
        if pod.uid in self._released:
            self._released.discard(pod.uid)
        elif id in self._live and id not in self._confirming:
            task = asyncio.create_task(self._confirm(id, pod), name=f"holdfast confirm {pod.name}")
            self._confirming[id] = task

    async def _confirm(self, id: AttemptId, pod: PodView) -> None:
        """A pod that is not seen any more counts as gone when the API server says so.

        One that is there without its label has nobody who watches it: it has to go before its attempt is followed by
        the next.
        """
        backoff = Backoff()
        while True:
            try:
                found = await self._kube.get(PODS, pod.namespace, pod.name)
                if uid_of(found) != pod.uid:
                    break
                if not is_stray(found):
                    self._confirming.pop(id, None)
                    self._store.restore(PODS, found)
                    return
                pod = pod_view(with_label(found)) or pod
                if pod.deleted_at is None:
                    _logger.warning("pod %s/%s lost its label %s: deleted", pod.namespace, pod.name, POD_SELECTOR)
                    await self._kube.delete(PODS, pod.namespace, pod.name, uid=pod.uid)
            except NotFound:
                break
            except KubeError as error:
                _logger.debug("whether pod %s/%s is gone is asked again: %s", pod.namespace, pod.name, error)
            await asyncio.sleep(backoff.next_seconds())
        self._confirming.pop(id, None)
        self._end(id, pod, exit_of(pod, is_gone=True))
        self._released.discard(pod.uid)

    def _end(self, id: AttemptId, pod: PodView, exit: Exit) -> None:
        self._live.pop(id, None)
        self._released.add(pod.uid)
        self._exits[id] = exit
        self._on_exit()
