import type { Row, StoredRow, Value } from './values'

/** RFC 7047, 5.1 `<condition>`. The row's own uuid is column `_uuid`. */
export type Condition = readonly [
  column: string,
  comparison: '==' | '!=' | '<' | '<=' | '>' | '>=' | 'includes' | 'excludes',
  value: Value,
]

/** RFC 7047, 5.1 `<mutation>`. `delete` on a map takes a set of keys, or a map of the exact pairs. */
export type Mutation = readonly [
  column: string,
  mutator: '+=' | '-=' | '*=' | '/=' | '%=' | 'insert' | 'delete',
  value: Value,
]

/** What a `wait` compares: the rows that match `where`, seen through `columns`, against `rows`. */
export interface Expectation {
  readonly where: readonly Condition[]
  readonly columns: readonly string[]
  readonly until: '==' | '!='
  readonly rows: readonly Row[]
  /** 0: fail at once where it does not hold. Absent: the server waits without limit. */
  readonly timeoutMs?: number
}

/** One step of a transaction: plain data, made by the functions of {@link op}. */
export type Operation =
  | { readonly op: 'insert'; readonly table: string; readonly row: Row; readonly uuidName?: string }
  | {
      readonly op: 'select'
      readonly table: string
      readonly where: readonly Condition[]
      readonly columns?: readonly string[]
    }
  | { readonly op: 'update'; readonly table: string; readonly where: readonly Condition[]; readonly row: Row }
  | {
      readonly op: 'mutate'
      readonly table: string
      readonly where: readonly Condition[]
      readonly mutations: readonly Mutation[]
    }
  | { readonly op: 'delete'; readonly table: string; readonly where: readonly Condition[] }
  | ({ readonly op: 'wait'; readonly table: string } & Expectation)
  | { readonly op: 'comment'; readonly comment: string }
  | { readonly op: 'commit'; readonly durable: boolean }
  | { readonly op: 'abort' }

/** What one operation did; which members are present depends on the operation (RFC 7047, 5.2). */
export interface OperationResult {
  /** Of a select. */
  readonly rows?: readonly StoredRow[]
  /** Of an update, mutate or delete: the rows that matched. None matching is no error: check it. */
  readonly count?: number
  /** Of an insert. */
  readonly uuid?: string
}

/** The operations of RFC 7047, 5.2. An empty `where` matches every row of the table. */
export const op = {
  /** A row of a non-root table that nothing references at commit is dropped by the server without an error. */
  insert(table: string, row: Row, uuidName?: string): Operation {
    return { op: 'insert', table, row, ...(uuidName === undefined ? {} : { uuidName }) }
  },
  /** Without `columns`, every column including `_uuid` and `_version`. */
  select(table: string, where: readonly Condition[], columns?: readonly string[]): Operation {
    return { op: 'select', table, where, ...(columns === undefined ? {} : { columns }) }
  },
  update(table: string, where: readonly Condition[], row: Row): Operation {
    return { op: 'update', table, where, row }
  },
  mutate(table: string, where: readonly Condition[], mutations: readonly Mutation[]): Operation {
    return { op: 'mutate', table, where, mutations }
  },
  /** The RFC's `delete`, which is no name for a function. */
  remove(table: string, where: readonly Condition[]): Operation {
    return { op: 'delete', table, where }
  },
  /** Fails the transaction with `timed out` unless the expectation comes true in time. */
  wait(table: string, expectation: Expectation): Operation {
    return { op: 'wait', table, ...expectation }
  },
  /** Fails the transaction with `timed out`, at once, where no row matches. */
  assertExists(table: string, where: readonly Condition[]): Operation {
    return { op: 'wait', table, where, columns: ['_uuid'], until: '!=', rows: [], timeoutMs: 0 }
  },
  /** Fails the transaction with `timed out`, at once, where a row matches. */
  assertAbsent(table: string, where: readonly Condition[]): Operation {
    return { op: 'wait', table, where, columns: ['_uuid'], until: '==', rows: [], timeoutMs: 0 }
  },
  /** Kept in the database's log, where `ovsdb-tool show-log` shows it. */
  comment(text: string): Operation {
    return { op: 'comment', comment: text }
  },
  /** With `durable` the server answers after the transaction is on the disk, not just written. */
  commit(options: { readonly durable: boolean }): Operation {
    return { op: 'commit', durable: options.durable }
  },
  /** Fails the transaction with `aborted`: for a dry run. */
  abort(): Operation {
    return { op: 'abort' }
  },
} as const
