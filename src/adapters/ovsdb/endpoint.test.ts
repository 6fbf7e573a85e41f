import { expect, it } from '@jest/globals'
import { formatEndpoint, parseEndpoint, type Endpoint } from './endpoint'

it.each<[string, Endpoint]>([
  ['unix:/run/openvswitch/db.sock', { kind: 'unix', path: '/run/openvswitch/db.sock' }],
  ['unix:/a b:c', { kind: 'unix', path: '/a b:c' }],
  ['tcp:127.0.0.1:6640', { kind: 'tcp', host: '127.0.0.1', port: 6640 }],
  ['tcp:127.0.0.1', { kind: 'tcp', host: '127.0.0.1', port: 6640 }],
  ['tcp:[::1]:7000', { kind: 'tcp', host: '::1', port: 7000 }],
  ['ssl:switch.example:6641', { kind: 'ssl', host: 'switch.example', port: 6641 }],
])('reads %s', (text, endpoint) => {
  expect(parseEndpoint(text)).toEqual(endpoint)
})

it.each([
  '',
  'unix:',
  'unix:run/db.sock',
  'tcp:',
  'tcp:::1',
  'tcp:a:0',
  'tcp:a:65536',
  'tcp:a:b',
  'ptcp:6640',
  'tcp:a b:1',
])('refuses %j', (text) => {
  expect(() => parseEndpoint(text)).toThrow(RangeError)
})

it.each(['unix:/run/openvswitch/db.sock', 'tcp:127.0.0.1:6640', 'tcp:[::1]:7000', 'ssl:switch.example:6641'])(
  'writes %s as it read it',
  (text) => {
    expect(formatEndpoint(parseEndpoint(text))).toBe(text)
  },
)

it('writes no key', () => {
  expect(formatEndpoint({ kind: 'ssl', host: 'a', port: 1, key: 'secret', cert: 'c', ca: 'c' })).toBe(
    'ssl:a:1',
  )
})
