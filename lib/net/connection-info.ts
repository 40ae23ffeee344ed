// What the kernel tells of a connection, in the form that programs get: groups that are absent where
// they mean nothing.

import type { NativeConnectionInfo } from '../native/binding.ts';
import type { ByteCounters, ConnectionInfo, TcpInfo } from './types.ts';

export function describeConnection(
  known: NativeConnectionInfo,
  counters: ByteCounters,
): ConnectionInfo {
  const isUnix = known.isUnix === 1;
  const { localAddress, localPort, remoteAddress, remotePort } = known;
  return {
    transport: isUnix ? 'unix' : 'tcp',
    localAddress,
    localPort,
    remoteAddress,
    remotePort,
    incomingCpu: known.incomingCpu < 0 ? undefined : known.incomingCpu,
    tcp: isUnix ? undefined : tcpOf(known),
    peer: isUnix && known.peerPid > 0 ? peerOf(known) : undefined,
    ...counters,
  };
}

function tcpOf(known: NativeConnectionInfo): TcpInfo {
  const { rttUs, rttVarianceUs, retransmits, unacknowledged } = known;
  const { congestionWindow, notSentBytes } = known;
  return { rttUs, rttVarianceUs, retransmits, unacknowledged, congestionWindow, notSentBytes };
}

function peerOf(known: NativeConnectionInfo): NonNullable<ConnectionInfo['peer']> {
  return { pid: known.peerPid, uid: known.peerUid, gid: known.peerGid };
}
