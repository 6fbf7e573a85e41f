export { bridgeOperations, bridgeRemoval } from './bridge'
export { portOperations, portRemoval } from './container-ports'
export { mirrorOperations } from './mirrors'
export { recordOperations } from './records'
