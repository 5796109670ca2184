import { isObject, jsonList, jsonObject, parseJson } from '../dataplane/json.ts';
import type { ProxyMode } from '../dataplane/local-facts.ts';
import type { Commands } from './exec.ts';

/** Asks kube-proxy itself; undefined when it does not answer. */
export type AskProxyMode = () => Promise<ProxyMode | undefined>;

const ANSWERS: ReadonlyMap<string, ProxyMode> = new Map([
  ['nftables', 'nftables'],
  ['iptables', 'iptables'],
  ['ipvs', 'ipvs'],
]);

/** kube-proxy's answer on its metrics port of this node, within a second. */
export const askKubeProxy: AskProxyMode = async () => {
  try {
    const answer = await fetch('http://127.0.0.1:10249/proxyMode', { signal: AbortSignal.timeout(1000) });
    return ANSWERS.get((await answer.text()).trim());
  } catch {
    return undefined;
  }
};

/** The mode by kube-proxy's answer, else by the traces that each mode leaves in the kernel. */
export async function detectProxyMode(
  ask: AskProxyMode,
  links: readonly { readonly name: string }[],
  commands: Commands,
): Promise<ProxyMode> {
  const answer = await ask();
  if (answer !== undefined) return answer;
  if (links.some((link) => link.name === 'kube-ipvs0')) return 'ipvs';
  return chainsMode(await commands.run(['nft', '-j', 'list', 'chains', 'ip']));
}

/** The mode by the chains that `nft -j list chains ip` lists; rules of iptables-legacy are not among them. */
export function chainsMode(text: string): ProxyMode {
  const tool = 'nft -j list chains';
  const chains = jsonList(tool, jsonObject(tool, parseJson(tool, text)).nftables).flatMap((entry) => {
    const { chain } = jsonObject(tool, entry);
    return isObject(chain) ? [chain] : [];
  });
  if (chains.some((chain) => chain.table === 'kube-proxy')) return 'nftables';
  return chains.some((chain) => chain.table === 'nat' && chain.name === 'KUBE-SERVICES') ? 'iptables' : 'unknown';
}
