import type { ConditionKind, ConditionType, Reason } from './conditions.ts';

/** What a condition asks, and what each of its answers means. */
export interface ConditionText<K extends ConditionKind, T extends ConditionType<K>> {
  readonly question: string;
  /** For each reason one sentence: what it means, and what to do about it where something must be done. */
  readonly reasons: Readonly<Record<Reason<K, T>, string>>;
}

const ACCESS_TEXTS: { readonly [T in ConditionType<'MeshAccess'>]: ConditionText<'MeshAccess', T> } = {
  Accepted: {
    question: 'Does the grant hold now?',
    reasons: {
      Accepted: 'Yes.',
      InvalidSpec:
        'The object cannot be read, so nothing is granted; mend the field that the message names, and apply it again.',
      Expired: 'spec.expiresAt has passed, so nothing is granted; set a later time, or delete the MeshAccess.',
    },
  },
  Resolved: {
    question: 'Does it let some device reach something?',
    reasons: {
      Resolved: 'Yes; status says how many, and names the first of them.',
      PartlyResolved: 'Yes, but a part of spec matches nothing, or more than a grant may open; the message says which.',
      NoMatchingPeers:
        'spec.from matches no MeshPeer that a gateway lets in; compare it with kubectl get meshpeers -A --show-labels.',
      NoMatchingServices: 'spec.to matches no Service; compare it with kubectl get services --show-labels.',
      NoSuchPort: 'The matching Services have none of the ports that spec.to names; compare it with their spec.ports.',
      NoClusterIP:
        'The matching Services have no cluster IP (they are headless or of type ExternalName), and a grant opens cluster IPs; give the Service one.',
      NoCommonFamily:
        'The devices that are let in and what is opened to them have no IP family in common; give one of them an address of the other family.',
      NotAdvertised:
        'No gateway that it is for leads to what spec.to matches; see status.serviceCIDRs and spec.advertise of the MeshGateways.',
      NotAccepted: 'It does not hold; see Accepted.',
    },
  },
  Enforced: {
    question: 'Does the grant make a difference?',
    reasons: {
      Enforced: 'Yes: some gateway denies by default what is not granted; status.gateways names it.',
      AllowedAnyway:
        'No: every gateway that it is for allows every Service by default, granted or not; set spec.access.default of the MeshGateway to Deny to have grants decide.',
      NoGateway: 'No gateway that it is for exists and is accepted; see kubectl get meshgateways.',
      NotAccepted: 'It does not hold; see Accepted.',
    },
  },
};

/** The explanation of every condition and reason. The compiler misses none: a new reason needs its sentence here. */
export const REASON_TEXTS: {
  readonly [K in ConditionKind]: { readonly [T in ConditionType<K>]: ConditionText<K, T> };
} = {
  MeshPeer: {
    Accepted: {
      question: 'Does some gateway let the device in?',
      reasons: {
        Accepted: 'Every gateway that it asks for lets it in.',
        PartlyAccepted:
          'Some of spec.gateways let it in, or spec.publicKey is and spec.nextPublicKey is not; the message says what is not and why.',
        InvalidSpec:
          'The object cannot be read, so no gateway lets the device in; mend the field that the message names, and apply it again.',
        Suspended: 'spec.suspended is true; set it to false to let the device in again, with the same address.',
        Expired: 'spec.expiresAt has passed; set a later time, or delete the MeshPeer.',
        OwnerQuota:
          'spec.owner has as many older devices as one owner may have, or is missing where they are counted; delete one that is not used any more, or have quotas.peersPerOwner of the chart raised.',
        InvalidKey: 'spec.publicKey is no usable key; print it again on the device with `wg pubkey`.',
        DuplicateKey: 'An older MeshPeer has the same key; every device needs a key pair of its own.',
        PresharedKeyNotFound:
          "spec.presharedKeySecretName names no Secret of type sallyport.dev/preshared-key in Sallyport's own namespace; the message has the commands that make it.",
        PresharedKeyNotGranted:
          'The Secret with the preshared key is not for this MeshPeer; annotate it with sallyport.dev/peer: NAMESPACE/NAME.',
        PresharedKeyInvalid:
          'The Secret holds no usable preshared key; put what `wg genpsk` prints into its entry presharedKey.',
        PresharedKeysExhausted:
          'As many devices have a preshared key at a gateway as its nodes can be brought; attach the device to another gateway, or leave spec.presharedKeySecretName out.',
        AddressTaken: 'Another MeshPeer has the wished address; wish for another, or leave spec.addresses out.',
        AddressOutsidePool:
          'The wished address is not in the mesh pool; wish for another, or leave spec.addresses out.',
        PoolExhausted: 'No address is free; delete MeshPeers that nobody uses, or enlarge the pool.',
        GatewayNotFound: 'spec.gateways names a MeshGateway that does not exist; mend the name, or create the gateway.',
        NamespaceNotAdmitted:
          'No gateway admits this namespace; use an admitted one, or have spec.allowedPeers.namespaces of the gateway extended.',
        NoGateway: 'The cluster has no MeshGateway; create one.',
      },
    },
    Programmed: {
      question: 'Do the gateway nodes know the device?',
      reasons: {
        Programmed: 'Every node that serves its gateways has it.',
        NotAccepted: 'It is not accepted, so no node has it; see Accepted.',
        GatewayNotAccepted: 'Its gateway is not accepted itself; see the conditions of the MeshGateway.',
        WaitingForNodes: 'Some nodes do not have it yet; usually over in less than a second.',
        WaitingForPresharedKey:
          'Its present preshared key has not reached every node: the kubelet brings it, mostly within seconds and at the latest in about a minute and a half.',
        NoReadyNode: 'No node serves its gateway at the moment; see the Programmed condition of the MeshGateway.',
      },
    },
    Connected: {
      question: 'Does the device have a live session with some node?',
      reasons: {
        Connected: 'Yes; status.connections says where.',
        NeverConnected: 'Not once yet; bring the tunnel up on the device with the configuration in status.config.',
        Idle: 'Not now: the device is off, idle without keepalive, or cut off.',
        NotAccepted: 'It is not accepted, so it cannot connect; see Accepted.',
      },
    },
    NextKeyInUse: {
      question: 'Does the device that is to change its key use spec.nextPublicKey already?',
      reasons: {
        InUse:
          'Yes: its latest handshake was with that key. End the change: set spec.publicKey to it and remove spec.nextPublicKey.',
        NotInUse: 'No: the device goes on with spec.publicKey, or is not connected. Both keys are let in.',
        Overdue:
          'Both keys have been let in for more than an hour, which is longer than a change takes; the message says which is in use, and the command that ends the change.',
        InvalidKey:
          'spec.nextPublicKey is no usable key, so it is not let in; print it again on the device with `wg pubkey`.',
        DuplicateKey:
          'An older MeshPeer has the key in spec.nextPublicKey, so it is not let in; every device needs key pairs of its own.',
        NotAccepted: 'The device is not accepted, so no key of it is let in; see Accepted.',
      },
    },
    UsesCurrentKey: {
      question: 'Did the device, once it came, come by the key that its gateway has now?',
      reasons: {
        CurrentKey: 'Yes.',
        FormerKey:
          "No, by the gateway's former key, which ends at the time that the message says; install status.config anew before.",
        EndedKey:
          'No, by a key of its gateway that has ended, so it cannot connect; install status.config anew, or run `sallyport join` again.',
      },
    },
  },
  MeshGateway: {
    Accepted: {
      question: 'Can this gateway be served as it is written?',
      reasons: {
        Accepted: 'Yes.',
        InvalidSpec:
          'The object cannot be read; so it is not served; mend the field that the message names, and apply it again.',
        PoolOverlap:
          "The mesh pool overlaps the cluster's own ranges; choose an unused one as pool.cidrs in the chart's values.",
        AdvertiseOverlap:
          'spec.advertise.cidrs holds the mesh pool or an endpoint of the gateway, which would send the tunnel into itself; leave that part out.',
        AddressesExhausted: 'The pool has no address left for another gateway; delete one.',
        ServiceCIDRUnknown: 'The service CIDRs could not be detected; set spec.advertise.services.cidrs.',
        NodesTaken:
          'An older MeshGateway serves some of its nodes, and a node serves one; give the two different spec.nodeSelector.',
        InvalidKey:
          "The gateway's Secret holds no usable private key; mend its entry privateKey, or delete the Secret to have a new one made.",
        InvalidEndpoint: 'spec.endpoint.hosts has an entry that is no HOST or HOST:PORT; mend it.',
      },
    },
    Programmed: {
      question: 'Do the selected nodes hold what the resources say?',
      reasons: {
        Programmed: 'All of them do.',
        NotAccepted: 'It is not accepted; see Accepted. Nodes that served it before go on as they are.',
        NoNodes: 'No Linux node matches spec.nodeSelector and spec.tolerations; label a node, or change them.',
        WaitingForNodes:
          "Some nodes have no live agent, or it has just begun, or has not carried out the latest spec yet; look at the gateway's pods on them.",
        NodesFailed: 'Some nodes could not be brought there; the message says which and why.',
      },
    },
    ServicesReachable: {
      question: 'Do packets from the mesh reach Services and come back?',
      reasons: {
        ProbeSucceeded: 'Yes: a probe that takes the way of a device was answered.',
        ProbeFailed: 'Not through some node; the message names the node and the step that failed.',
        NotProbed: 'No node has probed yet.',
      },
    },
    EndpointsFound: {
      question: 'Does all that should be a way in give devices one?',
      reasons: {
        Found: 'Yes. status.endpoints has what was found, and says of each whether an agent stands behind it.',
        InvalidAnnotation:
          'A Node has an annotation sallyport.dev/endpoint with an entry that is no HOST or HOST:PORT; mend it. The other entries hold.',
        InvalidAddress:
          'A Node or the Service has an address in its status that is none; mend what reports it, or give the Node an annotation sallyport.dev/endpoint.',
        SecondPortUnknown:
          "An annotation sallyport.dev/endpoint has a port of its own, and the gateway's present key is served on the second port, so nobody knows how devices reach that one; set spec.keyRotation.hosts.",
        ServiceRefused:
          'The API server refuses the Service that spec.endpoint.service asks for; the message holds its words. It is asked again every minute.',
        WaitingForService: 'The Service has no address yet; ask whatever provides load balancers here why.',
        DNSNotServed:
          'spec.endpoint.dns asks for a DNSEndpoint, and the cluster has no such resource; install external-dns with its definition, or set spec.endpoint.service.',
        DNSRefused: 'The API server or external-dns refuses the DNSEndpoint; the message holds its words.',
        NothingToPublish:
          "Nothing has an address to which the names of spec.endpoint.dns could lead: see the Nodes' addresses, or the Service.",
        WaitingForDNS: 'No external-dns has taken the DNSEndpoint up yet; run it with --source=crd.',
      },
    },
    ConnectionTracking: {
      question: 'Is there room for connections in the connection tracking of the nodes?',
      reasons: {
        Enough: 'Yes.',
        NearlyFull: 'Not on some node; the message names it, whose devices hold most, and the sysctl that makes room.',
        NotObserved: 'No node has looked yet.',
      },
    },
    GrantsOpened: {
      question: 'Where spec.access.default is Deny: do the nodes have room for all grants together?',
      reasons: {
        Opened: 'Yes. What a grant that is too large by itself leaves out is in its own status.',
        TooMany:
          'No: together they would open more than a gateway may, so the newest are left out; the message names them. Name fewer devices, Services or ports in grants, or serve some devices by another MeshGateway.',
        NotObserved: 'No node has seen the grants yet.',
      },
    },
    KeyApplied: {
      question: "Do devices use the key in the gateway's Secret?",
      reasons: {
        Applied: 'Yes.',
        Rotating: 'Yes, and the former key holds a while longer; the message says until when and who still uses it.',
        WaitingForNodes: 'Not yet: devices are told a new key once every node that is up serves it.',
        AnotherWaits:
          'A third key waits until the former one has ended, so that nobody is cut off before the time that was told; spec.keyRotation.overlap: 0s ends it now.',
        SecretMissing:
          'The Secret is gone, and everything goes on with the key that it held; put it back, or ask for a new key with spec.keyRotation.request.',
        SecretInvalid:
          'The Secret holds no usable private key, and everything goes on with the one that it held; mend its entry privateKey.',
        KeyTaken:
          'Another MeshGateway has the key in the Secret, and devices tell gateways apart by key; or a MeshPeer has it. Put another one there.',
        SecondPortUnknown:
          'spec.endpoint.hosts or an annotation sallyport.dev/endpoint has ports of its own, so nobody knows how devices reach the second port; set spec.keyRotation.hosts.',
        RequestRefused:
          'spec.keyRotation.request asks for a new key, but the Secret was not made by the operator; change the key where the Secret comes from.',
      },
    },
    Ready: {
      question: 'Can devices use this gateway?',
      reasons: {
        Ready: 'Yes, through at least one node.',
        NotAccepted: 'No, because it is not accepted; see Accepted.',
        NotProgrammed: 'No, because no node serves it; see Programmed.',
        NoEndpoint:
          'No, because devices have no way in; set spec.endpoint.hosts, or see EndpointsFound for what is missing.',
        NotProbed: 'Not known yet: no probe has been sent; usually over within seconds.',
        ServicesUnreachable: 'No, because probes fail; see ServicesReachable.',
        CleaningUp: 'No, it is being deleted, and the nodes remove what they made.',
      },
    },
  },
  MeshAccess: ACCESS_TEXTS,
  ClusterMeshAccess: ACCESS_TEXTS,
  MeshGatewayNode: {
    InterfaceUp: {
      question: 'Is the WireGuard interface there?',
      reasons: {
        KernelWireGuard: "Yes, the kernel's.",
        UserspaceWireGuard:
          'Yes, wireguard-go, because the kernel has no WireGuard or spec.dataplane says Userspace; it is slower.',
        WireGuardUnavailable:
          'Neither the kernel nor wireguard-go provides one; the message says why. Load the kernel module wireguard, or set spec.dataplane to Auto.',
        KeyMismatch:
          "The interface has another key than the gateway's Secret; the agent's pod must be restarted if this lasts.",
        PortBusy:
          'Another program of the node has the UDP port; the message says how to find it. End it, or set another spec.listenPort.',
        ProgramMissing:
          "A program is not in the agent's image, or not on its PATH; use the image of this release, which has all of them.",
        ApplyFailed: 'A command failed; the message holds its words.',
      },
    },
    ForwardingEnabled: {
      question: "Does the node let the mesh's packets through?",
      reasons: {
        Enabled: 'Yes.',
        SingleFamily:
          'Yes, but IPv6 is off on the node, so it serves the IPv4 part of the mesh alone; turn IPv6 on, or leave the IPv6 range out of pool.cidrs.',
        ForeignFirewall:
          'No: a firewall of the node that is not ours drops them. The message names table and chain, and the command that accepts them there.',
        Disabled: 'No: net.ipv4.ip_forward (or its IPv6 counterpart) is 0 and could not be set; set it on the node.',
        NotObserved: 'The node could not be looked at yet; see InterfaceUp.',
      },
    },
    Programmed: {
      question: 'Does the node hold what the resources say?',
      reasons: {
        Programmed: 'Yes.',
        ApplyFailed: 'A command failed and is tried again; the message holds its words.',
        ProgramMissing:
          "A program is not in the agent's image, or not on its PATH; use the image of this release, which has all of them.",
        Contested:
          'Somebody undoes again and again what the gateway has made; the message names what was mended last and, where the kernel tells, the program. It is mended once a second; have that program leave the interfaces and the table of the gateway alone.',
        WaitingForGateway: 'The MeshGateway is not accepted yet, so there is nothing to do.',
        CleaningUp: 'The MeshGateway is being deleted; the node removes what it made.',
      },
    },
    ServicesReachable: {
      question: 'Do probes through this node reach Services?',
      reasons: {
        ProbeSucceeded:
          'Yes: handshake, DNS and TCP were answered. A probe is sent every 10 s, and only two that fail in a row are told, so that lost packets change nothing; a path that swallows everything is told within 25 s.',
        HandshakeFailed: "The node's own WireGuard did not answer; see InterfaceUp.",
        DNSFailed:
          'The cluster DNS did not answer; look at the DNS pods, at NetworkPolicies and at the service proxy of this node.',
        TCPFailed:
          'The Service kubernetes did not answer; look at the service proxy of this node and at firewalls between nodes.',
        NotProbed: 'The agent has not probed yet.',
      },
    },
    ConnectionTracking: {
      question: "Is there room for connections in the node's connection tracking?",
      reasons: {
        Enough: 'Yes.',
        NearlyFull:
          'No: it is filled to four fifths, or was and has not fallen below seven tenths since. The message says whose devices hold most, and the sysctl that makes room.',
        NotObserved: 'The agent has not looked yet.',
      },
    },
    GrantsOpened: {
      question: 'Where the gateway denies by default: does the node have room for all grants together?',
      reasons: {
        Opened: 'Yes. What a grant that is too large by itself leaves out is in its own status.',
        TooMany:
          'No: together they would open more than a gateway may, so the newest are left out; the message names them. Name fewer devices, Services or ports in grants, or serve some devices by another MeshGateway.',
        NotObserved: 'The agent has not seen all grants yet.',
      },
    },
  },
};
