/** The tables of what replicas share beside the records: limits, pauses, secrets, instances, who watches partial pictures. */
export const CLUSTER_TABLES = `
`;
