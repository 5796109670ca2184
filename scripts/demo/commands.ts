/**
 * Every command of the demo, word for word as README.md shows it: a test keeps the two equal. The first half is for whoever looks
 * after the cluster, the second for the laptop.
 */
export const CLUSTER_COMMANDS = {
  install:
    'helm install sallyport charts/sallyport --namespace sallyport-system --create-namespace --values values.yaml --wait',
  gatewayReady: 'kubectl wait meshgateway/default --for=condition=Ready --timeout=60s',
  applyHello: 'kubectl apply -f manifests/samples/hello.yaml',
  helloReady: 'kubectl rollout status deployment/hello -n demo --timeout=60s',
  letIn: 'kubectl apply -f manifests/samples/meshpeer.yaml',
  peerReady: 'kubectl wait meshpeer/ada-laptop -n demo --for=condition=Programmed --timeout=60s',
  peerConnected: 'kubectl wait meshpeer/ada-laptop -n demo --for=condition=Connected --timeout=90s',
  config: "kubectl get meshpeer ada-laptop -n demo -o jsonpath='{.status.config}' > sallyport.conf",
  gateways: 'kubectl get meshgateways',
  nodes: 'kubectl get meshgatewaynodes -n sallyport-system',
  peers: 'kubectl get meshpeers -A',
  describe: 'kubectl describe meshpeer ada-laptop -n demo',
  revoke: 'kubectl delete meshpeer ada-laptop -n demo',
  uninstall: 'helm uninstall sallyport --namespace sallyport-system',
  definitions:
    'kubectl delete crd meshpeers.sallyport.dev meshgateways.sallyport.dev meshgatewaynodes.sallyport.dev meshaccesses.sallyport.dev clustermeshaccesses.sallyport.dev',
} as const;

export const LAPTOP_COMMANDS = {
  key: '(umask 077; wg genkey > /etc/wireguard/sallyport.key)',
  publicKey: 'wg pubkey < /etc/wireguard/sallyport.key',
  up: 'wg-quick up sallyport',
  ask: 'curl http://hello.demo.svc.cluster.local',
  down: 'wg-quick down sallyport',
} as const;

/** Where wg-quick looks for the configuration that `wg-quick up sallyport` means. */
export const LAPTOP_CONFIG = '/etc/wireguard/sallyport.conf';
