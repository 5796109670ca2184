/** An object as it can be made again, from what kubectl prints of it. */
export function withoutIdentity(json: string): string {
  const { metadata, ...rest } = JSON.parse(json);
  const { uid: _uid, resourceVersion: _version, creationTimestamp: _at, ...lastingMetadata } = metadata;
  return JSON.stringify({ ...rest, metadata: lastingMetadata });
}
