import type { RecordChange } from '../../../driver/records'
import type { Mutation, Operation } from '../../ovsdb'
import { op } from '../../ovsdb'
import type { View } from '../view'

/** `insert` leaves the value of a key that is there already, so the key goes first. */
export function recordOperations(view: View, change: RecordChange | undefined): readonly Operation[] {
  if (change === undefined || view.records().get(change.key) === change.value) return []
  const { key, value } = change
  const removal: Mutation = ['external_ids', 'delete', [key]]
  const insertion: readonly Mutation[] =
    value === undefined ? [] : [['external_ids', 'insert', new Map([[key, value]])]]
  return [op.mutate('Open_vSwitch', [], [removal, ...insertion])]
}
