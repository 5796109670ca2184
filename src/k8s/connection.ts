/** TLS material as node:tls wants it. */
export interface TlsMaterial {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** What proves who we are, for one request. Never logged. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
}

/** An API server and how to be someone there. */
export interface Connection {
  readonly server: URL;
  /** The namespace of the context or of the pod; `default` when neither names one. */
  readonly namespace: string;
  /** The name of the kubeconfig's context; of no meaning without a kubeconfig. */
  readonly context?: string | undefined;
  /** An http(s) proxy to tunnel through; its user and password may stand in the URL. */
  readonly proxy?: URL | undefined;
  /**
   * Asked before every request, so that rotated tokens and certificates are honoured. `fresh` forgets
   * whatever is cached: the transport asks for it once after a 401.
   */
  credentials(options?: { readonly fresh?: boolean }): Promise<Credentials>;
}
