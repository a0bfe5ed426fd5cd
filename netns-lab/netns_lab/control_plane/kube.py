"""The real control plane: etcd, kube-apiserver, controllers, scheduler, and a kube-proxy a node.

TLS everywhere, RBAC on, service account tokens signed. Only those controllers run that the lab
needs: nothing renews the nodes' leases there, so the node lifecycle controller would end every Pod.
etcd keeps its data in the lab's folder, which is a tmpfs; nothing outlives the lab.
"""

from pathlib import Path

import yaml

from netns_lab.control_plane.binaries import ETCD, Binaries
from netns_lab.control_plane.pki import Authority, KeyPair, write_signing_key
from netns_lab.control_plane.planes import Place, Program, fault_proxy_command, kubeconfig_text

SERVICE_RANGES = "10.96.0.0/16,fd00:10:96::/112"
POD_RANGES = "10.244.0.0/16,fd00:244::/32"
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "daemonset-controller",
    "deployment-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
)
ETCD_PORTS = (2379, 2380)
"""For clients and for peers, of which there are none."""

HEALTH_PORT = 10256
"""Where kube-proxy says what it has programmed, as by default."""


class KubePlane:
    """A control plane of real programs, with its files in one folder."""

    def __init__(
        self,
        folder: Path,
        place: Place,
        binaries: Binaries,
        *,
        proxy_mode: str = "nftables",
        etcd_ports: tuple[int, int] = ETCD_PORTS,
    ) -> None:
        self.kubeconfig = folder / "admin.kubeconfig"
        self.audit_log = folder / "audit.log"
        self._folder = folder
        self._place = place
        self._binaries = binaries
        self._proxy_mode = proxy_mode
        self._etcd_clients, self._etcd_peers = (f"http://127.0.0.1:{port}" for port in etcd_ports)
        self._pki = folder / "pki"
        self._server = f"https://{place.address}:{place.port}"

    def prepare(self) -> None:
        """Make keys, certificates, kubeconfigs and the audit policy."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority = Authority(self._pki)
        hosts = (self._place.address, "127.0.0.1", "10.96.0.1", "kubernetes.default.svc")
        authority.issue("apiserver", "kube-apiserver", hosts=hosts)
        # For those who want to see what happens when one runs out; the proxy can be told to use it.
        authority.issue("expired", "kube-apiserver", hosts=hosts, expired=True)
        write_signing_key(self._pki)
        for file, user, groups in (
            ("admin", "lab-admin", ("system:masters",)),
            ("controller-manager", "system:kube-controller-manager", ()),
            ("scheduler", "system:kube-scheduler", ()),
            ("proxy", "system:kube-proxy", ()),
        ):
            pair = authority.issue(file, user, groups)
            user_fields = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
            text = kubeconfig_text(self._server, user_fields, authority.certificate)
            self._config(file).write_text(text)
        policy = {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata"}],
        }
        (self._folder / "audit-policy.yaml").write_text(yaml.safe_dump(policy))

    def programs(self, control_socket: Path) -> tuple[Program, ...]:
        """Return all that runs beside the API server; each waits for what it needs."""
        tls = self._pair("apiserver")
        proxy = fault_proxy_command(
            self._place,
            control_socket,
            *("--tls-cert", str(tls.certificate), "--tls-key", str(tls.key)),
            *("--upstream-ca", str(self._pki / "ca.crt")),
        )
        return (
            Program("etcd", self._etcd()),
            Program("kube-apiserver", self._apiserver()),
            Program("kube-controller-manager", self._controller_manager()),
            Program("kube-scheduler", self._scheduler()),
            Program("fault-proxy", proxy),
        )

    def node_programs(self, node: str, address: str) -> tuple[Program, ...]:
        """Return the node's kube-proxy; its health is asked on the node's own address."""
        argv = (
            str(self._binaries["kube-proxy"]),
            f"--kubeconfig={self._config('proxy')}",
            f"--hostname-override={node}",
            f"--bind-address={address}",
            f"--proxy-mode={self._proxy_mode}",
            f"--cluster-cidr={POD_RANGES}",
            f"--healthz-bind-address=0.0.0.0:{HEALTH_PORT}",
            "--metrics-bind-address=127.0.0.1:10249",
            # The node's limits are the machine's: the lab doesn't touch them.
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0s",
            "--conntrack-tcp-timeout-close-wait=0s",
        )
        return (Program("kube-proxy", argv),)

    def write_kubeconfig(self, path: Path, account: str, token_file: Path) -> None:
        """Write a file that reads the account's token from `token_file` anew each time."""
        server = f"https://{self._place.address}:{self._place.proxied_port}"
        user = {"tokenFile": str(token_file)}
        path.write_text(kubeconfig_text(server, user, self._pki / "ca.crt"))

    def _etcd(self) -> tuple[str, ...]:
        return (
            str(self._binaries[ETCD]),
            "--name=lab",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={self._etcd_clients}",
            f"--advertise-client-urls={self._etcd_clients}",
            f"--listen-peer-urls={self._etcd_peers}",
            f"--initial-advertise-peer-urls={self._etcd_peers}",
            f"--initial-cluster=lab={self._etcd_peers}",
            "--quota-backend-bytes=2147483648",
        )

    def _apiserver(self) -> tuple[str, ...]:
        tls = self._pair("apiserver")
        tokens = self._signing_key()
        return (
            str(self._binaries["kube-apiserver"]),
            f"--etcd-servers={self._etcd_clients}",
            f"--bind-address={self._place.address}",
            f"--advertise-address={self._place.address}",
            f"--secure-port={self._place.port}",
            f"--tls-cert-file={tls.certificate}",
            f"--tls-private-key-file={tls.key}",
            f"--client-ca-file={self._pki / 'ca.crt'}",
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            f"--service-cluster-ip-range={SERVICE_RANGES}",
            f"--service-account-key-file={tokens.certificate}",
            f"--service-account-signing-key-file={tokens.key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--allow-privileged=true",
            # No kube-proxy runs beside the API server: it calls webhooks at their Pods' addresses.
            "--enable-aggregator-routing=true",
            f"--audit-policy-file={self._folder / 'audit-policy.yaml'}",
            f"--audit-log-path={self.audit_log}",
        )

    def _controller_manager(self) -> tuple[str, ...]:
        return (
            str(self._binaries["kube-controller-manager"]),
            f"--kubeconfig={self._config('controller-manager')}",
            f"--controllers={','.join(CONTROLLERS)}",
            # RBAC's default roles are those of each controller's own account.
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--service-account-private-key-file={self._signing_key().key}",
            f"--root-ca-file={self._pki / 'ca.crt'}",
            # The limits of a big cluster's controllers would make a small lab slow.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        )

    def _scheduler(self) -> tuple[str, ...]:
        return (
            str(self._binaries["kube-scheduler"]),
            f"--kubeconfig={self._config('scheduler')}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        )

    def _config(self, user: str) -> Path:
        return self._folder / f"{user}.kubeconfig"

    def _pair(self, file: str) -> KeyPair:
        return KeyPair(self._pki / f"{file}.crt", self._pki / f"{file}.key")

    def _signing_key(self) -> KeyPair:
        return KeyPair(self._pki / "service-accounts.pub", self._pki / "service-accounts.key")
