import { createHash } from 'node:crypto';
import { type IpAddress, parseAddress } from '../net/address.ts';

/** A request for a configuration, as far as the answer depends on it. */
export interface Question {
  readonly method: string;
  readonly path: string;
  /** The header; a browser that was led here by another name tells that name. */
  readonly host: string | undefined;
  readonly ifNoneMatch: string | undefined;
  /** Where the request came from; WireGuard proves it for mesh addresses. */
  readonly from: string;
  /** Where it came to, as `ADDRESS:PORT`. */
  readonly at: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The present configuration of a device; or why there is none: nobody is let in with the address, or nothing is decided yet. */
export type Told = { readonly text: string } | { readonly missing: 'device' | 'gateway' };

/** What is answered to a request: to a device its own configuration, known by where it asks from, and to others a sentence. */
export function answerTo(question: Question, tell: (device: IpAddress) => Told): Answer {
  const { method, path, host, from, at } = question;
  // Else any web page could have a browser on the device fetch this under a name of its own, and read it.
  if (host !== at) return sentence(421, `Ask for http://${at}/ by this name.`);
  if (path !== '/') return sentence(404, 'There is nothing here but /, which gives each device its configuration.');
  if (method !== 'GET') return sentence(405, 'This can only be read, with GET.', { allow: 'GET' });
  const device = parseAddress(from);
  const told: Told = device.ok ? tell(device.value) : { missing: 'device' };
  if ('text' in told) return configuration(told.text, question.ifNoneMatch);
  if (told.missing === 'gateway')
    return sentence(
      503,
      'No gateway of this device has an endpoint at the moment; keep the configuration that you have.',
    );
  return sentence(
    403,
    `No MeshPeer that this gateway lets in has the address ${from}; ask through the tunnel, or see the conditions of the MeshPeer.`,
  );
}

function configuration(text: string, ifNoneMatch: string | undefined): Answer {
  const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
  const headers = { etag, 'cache-control': 'no-cache', 'content-type': 'text/plain; charset=utf-8' };
  return isKnown(etag, ifNoneMatch) ? { status: 304, headers, body: '' } : { status: 200, headers, body: text };
}

/** Weak comparison (RFC 9110, section 13.1.2). */
function isKnown(etag: string, ifNoneMatch = ''): boolean {
  const tags = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}

function sentence(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body: `${text}\n` };
}
