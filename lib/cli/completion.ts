/**
 * Completion in shells: the script a user sources, or a package installs. All of them ask the
 * program itself how a line goes on, see propose.ts: a line for each word, and behind a tab what it
 * means. Where it knows nothing, shells complete names of files.
 *
 * @module
 */
import type { Print } from "./command.ts";
import type { Shell } from "./shells.ts";

/**
 * bash splits a line at = and : as well; those words are put together again as they were typed, and
 * of the answer what bash takes for the head of the word is left out.
 */
const BASH = `# bash completion of vuswitch
_vuswitch() {
  local IFS=$'\\n' rest=\${COMP_LINE:0:COMP_POINT} words=() i word space breaks kept found
  for ((i = 0; i <= COMP_CWORD; i++)); do
    space=\${rest%%[![:space:]]*}
    rest=\${rest#"$space"}
    word=\${COMP_WORDS[i]}
    ((i < COMP_CWORD)) || word=$rest
    rest=\${rest#"$word"}
    if [[ $i -gt 0 && -z $space ]]; then words[-1]+=$word; else words+=("$word"); fi
  done
  word=\${words[-1]}
  [[ $COMP_WORDBREAKS != *=* ]] || breaks+==
  [[ $COMP_WORDBREAKS != *:* ]] || breaks+=:
  [[ -z $breaks ]] || kept=\${word%"\${word##*[$breaks]}"}
  COMPREPLY=()
  for found in $("\${words[0]}" --complete "\${words[@]:1}" 2> /dev/null); do
    found=\${found%%$'\\t'*}
    COMPREPLY+=("\${found#"$kept"}")
  done
  [[ \${#COMPREPLY[@]} -ne 1 || \${COMPREPLY[0]} != *[=,:] ]] || compopt -o nospace 2> /dev/null
}
complete -o default -F _vuswitch vuswitch
`;

const ZSH = `#compdef vuswitch
# zsh completion of vuswitch: to be sourced, or as _vuswitch in a folder of $fpath
_vuswitch() {
  local line word
  local -a ends goes
  for line in "\${(@f)$("\${(Q)words[1]}" --complete "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2> /dev/null)}"; do
    [[ -n $line ]] || continue
    word=\${line%%$'\\t'*}
    [[ $line != *$'\\t'* ]] && line=\${word//:/\\\\:} || line="\${word//:/\\\\:}:\${line#*$'\\t'}"
    if [[ $word == *[=,:] ]]; then goes+=("$line"); else ends+=("$line"); fi
  done
  if (( \${#ends} + \${#goes} == 0 )); then
    _files
    return
  fi
  (( \${#ends} == 0 )) || _describe -t words word ends
  (( \${#goes} == 0 )) || _describe -t words word goes -S ''
}
if [[ $funcstack[1] == _vuswitch ]]; then
  _vuswitch "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef _vuswitch vuswitch
fi
`;

const FISH = `# fish completion of vuswitch
function __vuswitch_complete
    set -l words (commandline -opc)
    set -l found ($words[1] --complete $words[2..-1] (commandline -ct) 2> /dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c vuswitch -f -a '(__vuswitch_complete)'
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

/** What a shell reads to complete the words of vuswitch. */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}

/** `completion SHELL`. */
export function completion(_flags: unknown, print: Print, shell: Shell): void {
  print(completionScript(shell));
}
