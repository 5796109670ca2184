import { z } from 'zod';

/** The part of a NetworkPolicy that the chart's has: ports, from and to anywhere. @throws ZodError for one that says more, which these rules would not keep */
export const portPolicySchema = z.object({
  policyTypes: z.tuple([z.literal('Ingress'), z.literal('Egress')]),
  ingress: z.array(
    z.strictObject({
      from: z.tuple([z.strictObject({ namespaceSelector: z.strictObject({}) })]).optional(),
      ports: z.array(z.strictObject({ port: z.number(), protocol: z.literal('TCP') })),
    }),
  ),
  egress: z.array(z.strictObject({ ports: z.array(z.strictObject({ port: z.number(), protocol: z.literal('TCP') })) })),
});

export type PortPolicy = z.output<typeof portPolicySchema>;

/** The table that the rules are in, and its counters of what they refused. */
export const POLICY_TABLE = { name: 'lab-policy', asked: 'asked', sent: 'sent' } as const;

/**
 * What a policy means for a node's pods, as a script for nft: those of its range that are not `free` may be asked, and may begin, what the policy
 * admits, and the rest is refused and counted. After kube-proxy has found the pod behind a Service, as network plugins judge it.
 */
export function policyRules(policy: PortPolicy, podCidr: string, free: readonly string[]): string {
  const { name, asked, sent } = POLICY_TABLE;
  const set = (rules: PortPolicy['ingress']) => rules.flatMap(({ ports }) => ports.map(({ port }) => port)).join(', ');
  return `table inet ${name} {
  counter ${asked} { }
  counter ${sent} { }
  set free {
    type ipv4_addr
    elements = { ${free.join(', ')} }
  }
  chain to-pod {
    tcp dport { ${set(policy.ingress)} } accept
    counter name ${asked} reject
  }
  chain from-pod {
    tcp dport { ${set(policy.egress)} } accept
    counter name ${sent} reject
  }
  chain forward {
    type filter hook forward priority 10
    ct state established,related accept
    ip saddr ${podCidr} ip saddr != @free jump from-pod
    ip daddr ${podCidr} ip daddr != @free jump to-pod
  }
  chain input {
    type filter hook input priority 10
    ct state established,related accept
    ip saddr ${podCidr} ip saddr != @free jump from-pod
  }
}
`;
}
