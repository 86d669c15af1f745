import { type CallToolResult, fromJsonSchema, McpServer, type ServerContext } from '@modelcontextprotocol/server';
import { problemAnswer } from './answers.ts';
import { ARGUMENTS, type Arguments, argumentSchema, type ToolName } from './arguments.ts';
import { ownProblem, problemOf, requireArguments } from './tool-problem.ts';
import { TOOLS, type ToolParts } from './tools.ts';

const INSTRUCTIONS =
  'Easel makes pictures with image models and keeps them: a picture that was paid for is never lost, and never paid for twice. ' +
  'Where a call ends before its picture is ready, collect it with get_image; do not ask for it again. ' +
  'preview_image says what a request would cost.';

/** What a server works with. */
export interface ServerParts extends ToolParts {
  readonly version: string;
  /** Notes a defect. */
  readonly onDefect: (error: unknown) => void;
  /** Takes note of a call, which never rejects. */
  readonly onCall?: (call: Promise<CallToolResult>) => void;
}

const NAMES = Object.keys(ARGUMENTS) as ToolName[];

/**
 * The arguments that clients see. They are checked by the tools themselves, so that wrong ones are answered like every other failure: the
 * SDK would answer them in words alone.
 */
const SCHEMAS = new Map(
  NAMES.map((name) => [
    name,
    fromJsonSchema<object>(argumentSchema(name), {
      getValidator: () => (data) => ({ valid: true, data: data as never, errorMessage: undefined }),
    }),
  ]),
);

/** A server of MCP with every tool. It holds nothing: one is made for every request, or for every connection. */
export function createMcpServer({ version, ...parts }: ServerParts): McpServer {
  const server = new McpServer(
    { name: 'easel', title: 'Easel', version },
    { capabilities: { tools: { listChanged: false } }, instructions: INSTRUCTIONS },
  );
  for (const name of NAMES) register(server, name, parts);
  return server;
}

function register<Name extends ToolName>(server: McpServer, name: Name, parts: Omit<ServerParts, 'version'>): void {
  const { run, ...shown } = TOOLS[name];
  const inputSchema = SCHEMAS.get(name);
  if (inputSchema === undefined) throw new Error(`there are no arguments of ${name}`);
  const call = async (given: unknown, context: ServerContext): Promise<CallToolResult> => {
    try {
      requireArguments(name, given);
      return await run(given as Arguments<Name>, { ...parts, easel: await parts.openEasel() }, context);
    } catch (error) {
      const problem = problemOf(error);
      if (problem === null) parts.onDefect(error);
      return problemAnswer(
        problem ?? ownProblem('internal_error', 'something went wrong inside Easel; its log has it'),
      );
    }
  };
  server.registerTool(name, { ...shown, inputSchema }, (given, context) => {
    const answer = call(given, context);
    parts.onCall?.(answer);
    return answer;
  });
}
