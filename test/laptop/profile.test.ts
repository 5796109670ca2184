import { describe, expect, test } from 'vitest';
import { deviceFor, nameFrom, parseProfile, profileName } from '../../src/laptop/profile.ts';

describe('the name of a profile', () => {
  test.each([
    ['prod', true],
    ['a', true],
    ['team-a-2', true],
    ['Prod', false],
    ['-a', false],
    ['a-', false],
    ['../etc', false],
    ['a/b', false],
    ['', false],
    ['a'.repeat(41), false],
  ])('%j can be one: %s', (text, ok) => {
    expect(profileName(text).ok).toBe(ok);
  });

  test.each([
    ['kubernetes-admin@prod.example.com', 'kubernetes-admin-prod-example-com'],
    ['arn:aws:eks:eu-west-1:123:cluster/Prod', 'arn-aws-eks-eu-west-1-123-cluster-prod'],
    ['---', undefined],
    [`${'x'.repeat(39)}--y`, 'x'.repeat(39)],
  ])('is made of a context such as %j', (context, name) => {
    expect(nameFrom(context)).toBe(name);
    if (name !== undefined) expect(profileName(name).ok).toBe(true);
  });
});

describe('the interface of a profile', () => {
  test('is named like it, within the 15 bytes that Linux has', () => {
    expect(deviceFor('prod', new Set())).toBe('sp-prod');
    expect(deviceFor('kubernetes-admin-prod', new Set())).toBe('sp-kubernetes-a');
    expect(deviceFor('kubernetes--admin', new Set()).length).toBeLessThanOrEqual(15);
  });

  test('is no other profile’s', () => {
    const taken = new Set(['sp-kubernetes-a', 'sp-kubernetes1']);
    expect(deviceFor('kubernetes-admin-prod', taken)).toBe('sp-kubernetes2');
  });
});

describe('the file of a profile', () => {
  const profile = {
    version: 1,
    name: 'prod',
    device: 'sp-prod',
    namespace: 'team-a',
    peer: 'ada-laptop',
    server: 'https://192.0.2.1:6443/',
    joinedAt: '2026-01-01T00:00:00.000Z',
  };

  test('is read back', () => {
    expect(parseProfile(JSON.stringify(profile))).toEqual({ ok: true, value: profile });
  });

  test.each([
    ['', 'it'],
    ['[]', 'it'],
    [JSON.stringify({ ...profile, version: 2 }), 'version'],
    [JSON.stringify({ ...profile, name: '../x' }), 'name'],
    [JSON.stringify({ ...profile, device: 'x'.repeat(16) }), 'device'],
  ])('%j is refused by its field %s', (text, field) => {
    expect(parseProfile(text)).toMatchObject({ ok: false, problem: expect.stringContaining(field) });
  });
});
