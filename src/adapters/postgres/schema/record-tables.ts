/** The tables of the records: images, ledger, outbox, deletions. */
export const RECORD_TABLES = `
`;
